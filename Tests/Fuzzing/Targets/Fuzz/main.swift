import CFuzzer
import Glibc

// `Fuzz TARGET ARGUMENT...`: the arguments are libFuzzer's.

guard CommandLine.argc >= 2, let name = CommandLine.arguments.dropFirst().first, FuzzTarget.all[name] != nil else {
    print("usage: Fuzz TARGET [libFuzzer's arguments]; targets: \(FuzzTarget.all.keys.sorted().joined(separator: " "))")
    exit(64)
}
FuzzTarget.chosen = FuzzTarget.all[name]

// libFuzzer sees the program's name and what stands behind the target.
var count = CommandLine.argc - 1
let arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: Int(count) + 1)
arguments[0] = CommandLine.unsafeArgv[0]
for index in 1...Int(count) { arguments[index] = CommandLine.unsafeArgv[index + 1] }
var start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments
exit(
    LLVMFuzzerRunDriver(&count, &start) { data, size in
        FuzzTarget.chosen?(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
    })
