internal import Glibc

/// The bytes of a network address in text form.
package enum AddressBytes {
    /// Four bytes for IPv4, sixteen for IPv6 (a zone behind `%` is left out); nil if the text is no address.
    package static func parse(_ text: String) -> [UInt8]? {
        var four = [UInt8](repeating: 0, count: 4)
        if unsafe inet_pton(AF_INET, text, &four) == 1 { return four }
        var sixteen = [UInt8](repeating: 0, count: 16)
        let plain = text.prefix { $0 != "%" }
        return unsafe inet_pton(AF_INET6, String(plain), &sixteen) == 1 ? sixteen : nil
    }
}
