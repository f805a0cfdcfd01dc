import CFuzzer
import FuzzTargets
import Glibc

// `Fuzz [--planted] TARGET ARGUMENT...`: the arguments are libFuzzer's. With `--planted` the place that the target calls deep is
// a fault.

var words = CommandLine.arguments.dropFirst()
let isPlanted = words.first == "--planted"
if isPlanted { words = words.dropFirst() }
guard let name = words.first, let target = FuzzTarget.named(name) else {
    print("usage: Fuzz [--planted] TARGET [libFuzzer's arguments]; targets: \(FuzzTarget.all.map(\.name).joined(separator: " "))")
    exit(64)
}
nonisolated(unsafe) let feed: ([UInt8]) -> Void = { input in
    if target.run(input) && isPlanted { fatalError("the planted fault") }
}

// libFuzzer sees the program's name, its own bound of an input's length, and what stands behind the target.
let handedOn = [CommandLine.arguments[0], "-max_len=\(target.maximumLength)"] + words.dropFirst()
var count = Int32(handedOn.count)
let arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: handedOn.count + 1)
for (index, word) in handedOn.enumerated() { arguments[index] = strdup(word) }
arguments[handedOn.count] = nil
var start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments
exit(
    LLVMFuzzerRunDriver(&count, &start) { data, size in
        feed(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
    })
