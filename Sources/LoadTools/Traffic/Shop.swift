/// The shop whose traces the load generator sends: 8 services, 6 journeys of 8 spans each.
enum Shop {
    enum Service: Int, CaseIterable {
        case frontend, cart, checkout, payment, shipping, catalog, recommendation, email

        var name: String { "\(self)" }

        var language: String {
            switch self {
            case .frontend, .payment: "nodejs"
            case .cart: "dotnet"
            case .checkout, .catalog: "go"
            case .shipping: "rust"
            case .recommendation: "python"
            case .email: "ruby"
            }
        }

        var port: Int { 8080 + rawValue }
    }

    /// What a span stands for; decides its kind, name, instrumentation scope and attributes.
    enum Operation {
        case httpServer(method: String, route: String)
        case rpcServer(method: String)
        case database(system: String, operation: String, collection: String)
        case consumer(destination: String)

        /// The number of the SpanKind enum.
        var kind: UInt64 {
            switch self {
            case .httpServer, .rpcServer: 2
            case .database: 3
            case .consumer: 5
            }
        }

        var spanName: String {
            switch self {
            case .httpServer(let method, let route): "\(method) \(route)"
            case .rpcServer(let method): method
            case .database(_, let operation, let collection): "\(operation) \(collection)"
            case .consumer(let destination): "process \(destination)"
            }
        }

        /// Index of the instrumentation scope within a service: one library for requests, one for databases.
        var scope: Int {
            if case .database = self { 1 } else { 0 }
        }
    }

    /// One span of a journey. `parent` is an index in the journey, -1 for the root.
    struct Step {
        var service: Service
        var operation: Operation
        var parent: Int
    }

    private static func http(_ service: Service, _ method: String, _ route: String, _ parent: Int) -> Step {
        Step(service: service, operation: .httpServer(method: method, route: route), parent: parent)
    }

    private static func rpc(_ service: Service, _ method: String, _ parent: Int) -> Step {
        Step(service: service, operation: .rpcServer(method: method), parent: parent)
    }

    private static func postgres(_ service: Service, _ verb: String, _ table: String, _ parent: Int) -> Step {
        Step(
            service: service, operation: .database(system: "postgresql", operation: verb, collection: table),
            parent: parent)
    }

    private static func redis(_ service: Service, _ verb: String, _ key: String, _ parent: Int) -> Step {
        Step(service: service, operation: .database(system: "redis", operation: verb, collection: key), parent: parent)
    }

    private static func consumer(_ service: Service, _ topic: String, _ parent: Int) -> Step {
        Step(service: service, operation: .consumer(destination: topic), parent: parent)
    }

    /// The call trees. A parent always stands before its children.
    static let journeys: [[Step]] = [
        [
            http(.frontend, "POST", "/api/checkout", -1),
            rpc(.checkout, "shop.CheckoutService/PlaceOrder", 0),
            rpc(.cart, "shop.CartService/GetCart", 1),
            redis(.cart, "HGETALL", "cart", 2),
            postgres(.catalog, "SELECT", "products", 1),
            rpc(.payment, "shop.PaymentService/Charge", 1),
            http(.shipping, "POST", "/ship-order", 1),
            consumer(.email, "orders", 1),
        ],
        [
            http(.frontend, "GET", "/api/products/{productId}", -1),
            rpc(.catalog, "shop.ProductCatalogService/GetProduct", 0),
            postgres(.catalog, "SELECT", "products", 1),
            rpc(.recommendation, "shop.RecommendationService/ListRecommendations", 0),
            redis(.recommendation, "ZRANGE", "recommendations", 3),
            rpc(.catalog, "shop.ProductCatalogService/ListProducts", 3),
            postgres(.catalog, "SELECT", "products", 5),
            rpc(.cart, "shop.CartService/GetCart", 0),
        ],
        [
            http(.frontend, "POST", "/api/cart", -1),
            rpc(.catalog, "shop.ProductCatalogService/GetProduct", 0),
            postgres(.catalog, "SELECT", "products", 1),
            rpc(.cart, "shop.CartService/AddItem", 0),
            redis(.cart, "HSET", "cart", 3),
            rpc(.recommendation, "shop.RecommendationService/ListRecommendations", 0),
            http(.shipping, "POST", "/get-quote", 0),
            postgres(.shipping, "SELECT", "rates", 6),
        ],
        [
            http(.frontend, "GET", "/", -1),
            rpc(.catalog, "shop.ProductCatalogService/ListProducts", 0),
            postgres(.catalog, "SELECT", "products", 1),
            rpc(.recommendation, "shop.RecommendationService/ListRecommendations", 0),
            redis(.recommendation, "ZRANGE", "recommendations", 3),
            rpc(.cart, "shop.CartService/GetCart", 0),
            redis(.cart, "HGETALL", "cart", 5),
            http(.shipping, "POST", "/get-quote", 0),
        ],
        [
            http(.frontend, "GET", "/api/orders", -1),
            rpc(.checkout, "shop.CheckoutService/ListOrders", 0),
            postgres(.checkout, "SELECT", "orders", 1),
            rpc(.payment, "shop.PaymentService/GetReceipts", 0),
            postgres(.payment, "SELECT", "receipts", 3),
            http(.shipping, "GET", "/status/{orderId}", 0),
            postgres(.shipping, "SELECT", "shipments", 5),
            rpc(.email, "shop.EmailService/ListMessages", 0),
        ],
        [
            http(.frontend, "DELETE", "/api/orders/{orderId}", -1),
            rpc(.checkout, "shop.CheckoutService/CancelOrder", 0),
            postgres(.checkout, "UPDATE", "orders", 1),
            rpc(.payment, "shop.PaymentService/Refund", 1),
            postgres(.payment, "INSERT", "refunds", 3),
            http(.shipping, "POST", "/recall", 1),
            postgres(.shipping, "UPDATE", "shipments", 5),
            consumer(.email, "cancellations", 1),
        ],
    ]

    /// Step `index` of a journey stretched or cut to any number of spans: after the eighth span, the seven steps below
    /// the root are repeated, each round calling within itself.
    static func step(_ index: Int, of journey: [Step]) -> Step {
        guard index >= journey.count else { return journey[index] }
        let below = journey.count - 1
        let round = (index - 1) / below
        var step = journey[1 + (index - 1) % below]
        if step.parent > 0 { step.parent += round * below }
        return step
    }
}
