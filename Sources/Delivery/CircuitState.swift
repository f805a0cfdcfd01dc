/// Whether a destination is being sent to.
package enum CircuitState: Sendable, Equatable {
    /// Normal: up to `num_consumers` requests at a time.
    case closed
    /// Backing off: nothing is sent before `until` (nanoseconds), then one probe.
    case open(until: Int64)
    /// One probe is being sent; its outcome closes the circuit or opens it for longer.
    case halfOpen(probe: UInt64)
}
