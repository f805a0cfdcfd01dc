package import NIOCore
internal import NIOSSL
internal import NativeCore
internal import Telemetry

/// TLS for connections that the guards of a node do not stand before: those of the tools.
extension TLSMaterial {
    /// The handlers of a new connection to a server: the outermost of its pipeline.
    ///
    /// - Parameter serverName: what the server's certificate must bear; nil for an address, which is then looked for among the
    ///   certificate's addresses.
    package func clientHandler(serverName: String?) throws -> any ChannelHandler {
        try NIOSSLClientHandler(context: context, serverHostname: serverName)
    }

    /// The handler of a connection that was accepted: the outermost of its pipeline.
    package func serverHandler() -> any ChannelHandler {
        NIOSSLServerHandler(context: context, customVerificationCallback: nil, configuration: .small)
    }
}

extension TLSFailure {
    /// What an error on a client's connection says about TLS; nil if it says no more than that the connection ended.
    package init?(_ error: any Error, to context: ChannelHandlerContext) {
        if Self.isAbruptEnd(error) { return nil }
        let peer = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self).peerCertificate
        self.init(error, side: .client, peerValidity: peer?.validity, now: SystemClocks.unixSeconds())
    }
}
