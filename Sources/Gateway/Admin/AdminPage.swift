/// A request to an admin listener, as much of it as a page may look at.
package struct AdminRequest: Sendable, Equatable {
    /// `GET`, `HEAD`, ...
    package var method: String
    /// Path without the query.
    package var path: String
    /// The Accept header; several lines joined by commas. nil if absent.
    package var accept: String?

    package init(method: String = "GET", path: String, accept: String? = nil) {
        self.method = method
        self.path = path
        self.accept = accept
    }
}

/// What an admin listener answers.
package struct AdminResponse: Sendable, Equatable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]
    /// Value of the Allow header, which must go with a 405.
    package var allow: String?
    /// Value of the WWW-Authenticate header, which must go with a 401.
    package var challenge: String?

    package init(
        status: Int = 200, contentType: String = Self.plainText, body: [UInt8],
        allow: String? = nil
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.allow = allow
    }

    /// A short sentence; a line feed is added.
    package init(status: Int = 200, text: String, allow: String? = nil) {
        self.init(status: status, body: Array((text + "\n").utf8), allow: allow)
    }

    package static let plainText = "text/plain; charset=utf-8"
    package static let json = "application/json"
}

/// What answers the requests of one listener. Knows nothing of sockets.
package protocol AdminResponder: Sendable {
    /// Answers a request. Must return within the listener's time-out, or 503 goes out instead.
    func answer(_ request: AdminRequest) async -> AdminResponse
}
