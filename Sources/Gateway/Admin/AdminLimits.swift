/// Limits of an admin listener. Worst case in memory: `connections` times (`headerBytes` and one
/// response).
package struct AdminLimits: Sendable {
    /// Connections at once. When one more comes, the one goes that has kept the node waiting for longest; if all wait for the
    /// node, the new one is closed.
    package var connections = 64
    /// Names and values of a request's headers together; more gives 400 and the end.
    package var headerBytes = 16 * 1024
    /// Header fields of a request.
    package var headerCount = 64
    /// Bytes of a request body, which is read past; more ends the connection.
    package var bodyBytes = 64 * 1024
    /// From the connection, or from the last response, to the end of the next request. So it is
    /// the idle time-out as well as the limit for clients that send a byte a second.
    package var requestTimeout = Duration.seconds(30)
    /// From the request to its response; then 503.
    package var responseTimeout = Duration.seconds(10)
    /// For the client to take the response.
    package var writeTimeout = Duration.seconds(30)

    package init() {}
}
