{{- define "tailgate.selector" -}}
app.kubernetes.io/name: tailgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tailgate.labels" -}}
{{ include "tailgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
