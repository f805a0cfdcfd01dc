/// The answers of OTLP/HTTP to requests that came as JSON.
extension ExportTraceServiceResponse {
    /// The JSON form; `{}` for full success.
    package var json: [UInt8] {
        var output: [UInt8] = []
        output.append(UInt8(ascii: "{"))
        if rejectedSpans != 0 || !errorMessage.isEmpty {
            output.append(contentsOf: "\"partialSuccess\":{\"rejectedSpans\":\"".utf8)
            JSONText.appendDecimal(rejectedSpans, to: &output)
            output.append(UInt8(ascii: "\""))
            if !errorMessage.isEmpty {
                output.append(contentsOf: ",\"errorMessage\":".utf8)
                JSONText.appendString(errorMessage.span, 0..<errorMessage.count, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
        output.append(UInt8(ascii: "}"))
        return output
    }
}

extension RPCStatus {
    /// The JSON form: code, message, and RetryInfo among the details.
    package var json: [UInt8] {
        var output: [UInt8] = []
        output.append(contentsOf: "{\"code\":".utf8)
        JSONText.appendDecimal(Int64(code), to: &output)
        output.append(contentsOf: ",\"message\":".utf8)
        JSONText.appendString(message.span, 0..<message.count, to: &output)
        if let retryInfo {
            output.append(
                contentsOf: ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"".utf8)
            output.append(contentsOf: Self.seconds(retryInfo.delayNanoseconds))
            output.append(contentsOf: "s\"}]".utf8)
        }
        output.append(UInt8(ascii: "}"))
        return output
    }

    /// Seconds with nine decimals, or none: what a Duration is in JSON.
    private static func seconds(_ nanoseconds: Int64) -> [UInt8] {
        var output: [UInt8] = []
        JSONText.appendDecimal(nanoseconds / 1_000_000_000, to: &output)
        var rest = nanoseconds % 1_000_000_000
        guard rest > 0 else { return output }
        output.append(UInt8(ascii: "."))
        var unit: Int64 = 100_000_000
        while unit > 0 {
            output.append(0x30 + UInt8(truncatingIfNeeded: rest / unit))
            rest %= unit
            unit /= 10
        }
        return output
    }
}
