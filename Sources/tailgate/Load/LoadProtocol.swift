import ArgumentParser
import OTLP

/// How the load generator sends.
enum LoadProtocol: String, CaseIterable, ExpressibleByArgument {
    /// OTLP/gRPC over HTTP/2.
    case grpc
    /// OTLP/HTTP: protobuf over HTTP/1.1.
    case http
    /// OTLP/HTTP: JSON over HTTP/1.1.
    case httpJSON = "http-json"

    var defaultPort: Int { self == .grpc ? 4317 : 4318 }

    /// How TLS names what is spoken inside (ALPN).
    var applicationProtocol: String { self == .grpc ? "h2" : "http/1.1" }
}

/// What became of a request.
enum LoadAnswer {
    case accepted(rejectedSpans: Int)
    case refused(GRPCStatusCode, retryNanoseconds: Int64?)
    /// The connection or the stream broke before an answer came.
    case broken
    /// No answer came in time.
    case expired
}

/// One connection of the load generator, whatever it speaks. Lives on its lane's loop.
protocol LoadLink: AnyObject {
    /// Whom it leads to: index in `LoadPlan.endpoints`.
    var endpoint: Int { get }

    /// Requests without an answer.
    var inFlight: Int { get }

    /// Takes a request; the bytes go out with the next `flush()`. False if the connection takes no more.
    func send(_ request: LoadRequest) -> Bool

    /// Writes as far as the socket takes it.
    func flush()

    /// Gives up requests that wait since before `time`.
    func expire(sentBefore time: Int64)

    /// Ends the connection in good order.
    func close()
}
