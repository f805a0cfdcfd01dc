package import NIOCore
internal import NIOSSL
internal import NativeCore
internal import Telemetry

/// TLS for connections that the guards of a node do not stand before: those of the tools.
extension TLSMaterial {
    /// The handlers of a new connection to a server: the outermost of its pipeline.
    ///
    /// - Parameters:
    ///   - host: a name or an address without brackets, as connected to.
    ///   - serverName: what the server's certificate must bear, if it is not the host's name.
    package func clientHandler(to host: String, serverName: String?) throws -> any ChannelHandler {
        try NIOSSLClientHandler(context: context, serverHostname: TLSServerName.of(host: host, wanted: serverName))
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
