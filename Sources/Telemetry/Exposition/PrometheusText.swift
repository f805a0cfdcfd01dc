/// Prints a snapshot in either exposition format.
///
/// Text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/;
/// OpenMetrics 1.0.0: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md.
/// What they do differently here: the name on the comment lines of counters and infos, the type
/// of counters without `_total`, UNIT lines, quotes in HELP, the form of `le`, and the EOF line.
package enum PrometheusText {
    /// Prints all families that have a series.
    ///
    /// - Complexity: O(cells). Runs on the scrape's own thread, never on a worker.
    package static func render(
        _ layout: MetricLayout, _ snapshot: MetricSnapshot, as format: ExpositionFormat
    ) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(layout.slotCount * 96 + 4096)
        for family in layout.families where !family.series.isEmpty {
            appendHeader(family.family, format, to: &out)
            for series in family.series {
                appendSeries(family.family, series, snapshot, format, to: &out)
            }
        }
        if format == .openMetrics { out += Array("# EOF\n".utf8) }
        return out
    }

    private static func appendHeader(
        _ family: MetricFamily, _ format: ExpositionFormat, to out: inout [UInt8]
    ) {
        let name = commentName(family, format)
        let type = "# TYPE \(name) \(typeName(family, format))\n"
        switch format {
        case .text:
            out += Array("# HELP \(name) ".utf8)
            LabelText.append(family.help, escapingQuotes: false, to: &out)
            out += Array("\n\(type)".utf8)
        case .openMetrics:
            out += Array(type.utf8)
            // a unit is only allowed where the name ends in it, and never for an info
            if let unit = family.unit, name.hasSuffix("_\(unit)"), family.kind != .info {
                out += Array("# UNIT \(name) \(unit)\n".utf8)
            }
            out += Array("# HELP \(name) ".utf8)
            LabelText.append(family.help, escapingQuotes: true, to: &out)
            out.append(UInt8(ascii: "\n"))
        }
    }

    /// OpenMetrics names the family without the ending that its samples carry.
    private static func commentName(
        _ family: MetricFamily, _ format: ExpositionFormat
    ) -> String {
        guard format == .openMetrics else { return family.name }
        switch family.kind {
        case .counter where family.name.hasSuffix("_total"):
            return String(family.name.dropLast("_total".count))
        case .info where family.name.hasSuffix("_info"):
            return String(family.name.dropLast("_info".count))
        default: return family.name
        }
    }

    private static func typeName(_ family: MetricFamily, _ format: ExpositionFormat) -> String {
        switch (family.kind, format) {
        case (.counter, .text): family.isCounterWithoutTotal ? "untyped" : "counter"
        case (.counter, .openMetrics): family.isCounterWithoutTotal ? "unknown" : "counter"
        case (.gauge, _): "gauge"
        case (.histogram, _): "histogram"
        case (.info, .text): "gauge"  // 0.0.4 has no info
        case (.info, .openMetrics): "info"
        }
    }

    private static func appendSeries(
        _ family: MetricFamily, _ series: MetricLayout.Series, _ snapshot: MetricSnapshot,
        _ format: ExpositionFormat, to out: inout [UInt8]
    ) {
        switch family.kind {
        case .counter, .gauge:
            appendSample(
                family.name, series.labelText, snapshot[series.slot],
                places: family.decimalPlaces, to: &out)
        case .info:
            appendSample(family.name, series.labelText, 1, places: 0, to: &out)
        case .histogram(let bounds):
            var labels = series.labelText
            if !labels.isEmpty { labels.append(UInt8(ascii: ",")) }
            var cumulated = 0
            for bucket in 0...bounds.count {
                cumulated &+= snapshot[series.slot + bucket]
                var bucketLabels = labels + Array("le=\"".utf8)
                if bucket < bounds.count {
                    DecimalText.append(
                        bounds[bucket], places: family.decimalPlaces,
                        alwaysPoint: format == .openMetrics, to: &bucketLabels)
                } else {
                    bucketLabels += Array("+Inf".utf8)
                }
                bucketLabels.append(UInt8(ascii: "\""))
                appendSample(
                    family.name + "_bucket", bucketLabels, cumulated, places: 0, to: &out)
            }
            appendSample(
                family.name + "_sum", series.labelText, snapshot[series.slot + bounds.count + 1],
                places: family.decimalPlaces, to: &out)
            appendSample(
                family.name + "_count", series.labelText, cumulated, places: 0, to: &out)
        }
    }

    private static func appendSample(
        _ name: String, _ labels: [UInt8], _ value: Int, places: Int, to out: inout [UInt8]
    ) {
        out += name.utf8
        if !labels.isEmpty {
            out.append(UInt8(ascii: "{"))
            out += labels
            out.append(UInt8(ascii: "}"))
        }
        out.append(UInt8(ascii: " "))
        DecimalText.append(value, places: places, to: &out)
        out.append(UInt8(ascii: "\n"))
    }
}
