"""The tools of the end-to-end tests: a gateway process, backends, clients, spans. No test lives here."""
