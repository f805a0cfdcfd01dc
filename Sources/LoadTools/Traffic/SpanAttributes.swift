/// Writes the attributes of a span, following semantic conventions 1.44.
enum SpanAttributes {
    /// What differs from span to span.
    struct Circumstances {
        var failed: Bool
        /// Bytes of free text to add to the one attribute that is long in life (a query, a statement, a context).
        var textBytes: Int
    }

    private static let agents = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15",
        "okhttp/5.1.0", "shop-android/8.4.1 (Android 16)",
    ]
    private static let words = [
        "size", "colour", "sort", "page", "filter", "brand", "price", "stock", "order", "region", "currency", "locale",
        "campaign", "variant", "customer", "session",
    ]

    static func make(
        for step: Shop.Step, circumstances: Circumstances, random: inout SplitMix64
    ) -> [Attribute] {
        let service = step.service
        var list: [Attribute] = []
        switch step.operation {
        case .httpServer(let method, let route):
            let status = circumstances.failed ? 500 : (random.below(50) == 0 ? 404 : 200)
            list = [
                Attribute("http.request.method", method),
                Attribute("http.route", route),
                Attribute("http.response.status_code", status),
                Attribute("url.query", text(circumstances.textBytes, separator: "&", random: &random)),
                Attribute("url.path", path(route, random: &random)),
                Attribute("url.scheme", "http"),
                Attribute("server.address", "\(service.name).shop.svc.cluster.local"),
                Attribute("server.port", service.port),
                Attribute("client.address", address(&random)),
                Attribute("user_agent.original", agents[random.below(agents.count)]),
            ]
            if circumstances.failed { list.append(Attribute("error.type", "500")) }
        case .rpcServer(let method):
            list = [
                Attribute("rpc.system.name", "grpc"),
                Attribute("rpc.method", method),
                Attribute("rpc.status_code", circumstances.failed ? "INTERNAL" : "OK"),
                Attribute("app.request.context", text(circumstances.textBytes, separator: ",", random: &random)),
                Attribute("server.address", "\(service.name).shop.svc.cluster.local"),
                Attribute("server.port", service.port),
                Attribute("network.peer.address", address(&random)),
                Attribute("network.peer.port", 32_768 + random.below(28_000)),
                Attribute("app.user.id", "u-\(random.below(2_000_000))"),
                Attribute("app.session.id", hexadecimal(random.next())),
            ]
            if circumstances.failed { list.append(Attribute("error.type", "INTERNAL")) }
        case .database(let system, let operation, let collection):
            let clause = text(circumstances.textBytes, separator: " AND ", random: &random)
            list = [
                Attribute("db.system.name", system),
                Attribute("db.operation.name", operation),
                Attribute("db.collection.name", collection),
                Attribute("db.query.text", "\(operation) \(collection) \(clause)"),
                Attribute("db.query.summary", "\(operation) \(collection)"),
                Attribute("db.namespace", service.name),
                Attribute("db.response.returned_rows", random.below(200)),
                Attribute("server.address", "\(system)-\(service.name)"),
                Attribute("server.port", system == "redis" ? 6379 : 5432),
                Attribute("network.peer.address", address(&random)),
            ]
            if circumstances.failed {
                list.append(Attribute("error.type", system == "redis" ? "BUSY" : "40001"))
            }
        case .consumer(let destination):
            list = [
                Attribute("messaging.system", "kafka"),
                Attribute("messaging.destination.name", destination),
                Attribute("messaging.operation.type", "process"),
                Attribute("app.request.context", text(circumstances.textBytes, separator: ",", random: &random)),
                Attribute("messaging.operation.name", "process"),
                Attribute("messaging.consumer.group.name", service.name),
                Attribute("messaging.destination.partition.id", "\(random.below(24))"),
                Attribute("messaging.kafka.offset", 1_000_000 + random.below(90_000_000)),
                Attribute("messaging.message.id", hexadecimal(random.next())),
                Attribute("server.address", "kafka-\(random.below(3))"),
            ]
            if circumstances.failed { list.append(Attribute("error.type", "MessageRejected")) }
        }
        return list
    }

    /// The position of the attribute that takes the free text.
    static let textPosition = 3

    private static func address(_ random: inout SplitMix64) -> String {
        "10.\(random.below(4)).\(random.below(256)).\(1 + random.below(254))"
    }

    private static func path(_ route: String, random: inout SplitMix64) -> String {
        guard let brace = route.firstIndex(of: "{") else { return route }
        return route[..<brace] + "\(10_000 + random.below(90_000))"
    }

    static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// `bytes` bytes of `word=number` pairs: repetitive, but not the same twice, as queries and statements are.
    private static func text(_ bytes: Int, separator: String, random: inout SplitMix64) -> String {
        var result = ""
        while result.utf8.count < bytes {
            if !result.isEmpty { result += separator }
            result += "\(words[random.below(words.count)])=\(random.below(100_000))"
        }
        return String(result.prefix(bytes))
    }
}
