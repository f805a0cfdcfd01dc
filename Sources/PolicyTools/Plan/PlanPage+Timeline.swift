internal import ReportText

extension PlanPage {
    private static let width = 1000.0
    private static let height = 250.0
    private static let left = 62.0
    private static let right = 12.0
    private static let top = 26.0
    private static let bottom = 40.0
    private static let maximumSteps = 120

    /// Spans kept per second over the time of the recording, under both sets.
    func timeline(_ report: PlanReport) -> String {
        var seconds = Double(report.momentWidth) / 1e9
        var moments = report.moments
        // Steps of a few pixels are noise.
        while moments.count > Self.maximumSteps {
            moments = stride(from: 0, to: moments.count, by: 2).map { position in
                var sum = moments[position]
                if position + 1 < moments.count {
                    sum.total += moments[position + 1].total
                    sum.current += moments[position + 1].current
                    sum.candidate += moments[position + 1].candidate
                }
                return sum
            }
            seconds *= 2
        }
        // The last moment may have hardly begun: too little to be a rate.
        var lastSeconds = report.recordedSeconds - seconds * Double(moments.count - 1)
        if moments.count > 2 && lastSeconds < seconds / 4 {
            moments.removeLast()
            lastSeconds = seconds
        }
        lastSeconds = min(seconds, max(seconds / 4, lastSeconds))
        guard moments.count > 1 else { return "" }
        func rate(_ spans: Int, _ position: Int) -> Double { Double(spans) / (position == moments.count - 1 ? lastSeconds : seconds) }
        let most = moments.enumerated().reduce(0.0) { most, next in
            max(most, rate(max(next.element.current, next.element.candidate), next.offset))
        }
        let step = Self.niceStep(most / 4)
        let ceiling = step * max(1, (most / step).rounded(.up))
        let end = seconds * Double(moments.count)
        let plotWidth = Self.width - Self.left - Self.right
        let plotHeight = Self.height - Self.top - Self.bottom
        func x(_ time: Double) -> String { Figures.fixed(Self.left + plotWidth * time / end, 1) }
        func y(_ value: Double) -> String { Figures.fixed(Self.top + plotHeight * (1 - value / ceiling), 1) }
        /// Steps: every moment is an average, and looks like one.
        func path(_ value: (PlanReport.Moment) -> Int, closed: Bool) -> String {
            var text = closed ? "M\(x(0)) \(y(0))" : ""
            for (position, moment) in moments.enumerated() {
                let height = y(rate(value(moment), position))
                let start = x(Double(position) * seconds)
                text += "\(text.isEmpty ? "M" : "L")\(start) \(height)L\(x(Double(position + 1) * seconds)) \(height)"
            }
            return closed ? text + "L\(x(end)) \(y(0))Z" : text
        }
        var grid = #"<text x="\#(Self.left - 8)" y="12" text-anchor="end">spans/s</text>"#
        var value = 0.0
        while value <= ceiling * 1.001 {
            grid += #"<line x1="\#(Self.left)" x2="\#(Self.width - Self.right)" y1="\#(y(value))" y2="\#(y(value))"/>"#
            grid += #"<text x="\#(Self.left - 8)" y="\#(y(value))" dy="4" text-anchor="end">\#(compact(value))</text>"#
            value += step
        }
        let timeStep = Self.timeStep(end)
        var time = 0.0
        while time <= end * 1.001 {
            grid += #"<line x1="\#(x(time))" x2="\#(x(time))" y1="\#(y(0))" y2="\#(Figures.fixed(Self.top + plotHeight + 5, 1))"/>"#
            let anchor = time > end * 0.97 ? "end" : "middle"
            grid += #"<text x="\#(x(time))" y="\#(Figures.fixed(Self.top + plotHeight + 19, 1))" text-anchor="\#(anchor)">\#(clock(time))</text>"#
            time += timeStep
        }
        grid += #"<text x="\#(Figures.fixed(Self.left + plotWidth / 2, 1))" y="\#(Self.height - 4)" text-anchor="middle">time since the recording began</text>"#
        var hits = ""
        for (position, moment) in moments.enumerated() {
            let tip =
                "after \(clock(Double(position) * seconds)): current \(compact(rate(moment.current, position))), candidate \(compact(rate(moment.candidate, position))) of \(compact(rate(moment.total, position))) spans/s"
            hits += #"<rect class="hit" x="\#(x(Double(position) * seconds))" y="\#(Self.top)" width="\#(Figures.fixed(plotWidth * seconds / end, 1))" height="\#(Figures.fixed(plotHeight, 1))" data-tip="\#(escaped(tip))"/>"#
        }
        return """
            <section><h2>Spans kept per second</h2>
            <svg viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" class="chart" role="img" aria-label="Spans kept per second over time">
            <g class="grid">\(grid)</g>
            <path class="area current" d="\(path({ $0.current }, closed: true))"/>
            <path class="area candidate" d="\(path({ $0.candidate }, closed: true))"/>
            <path class="line current" d="\(path({ $0.current }, closed: false))"/>
            <path class="line candidate" d="\(path({ $0.candidate }, closed: false))"/>
            \(hits)
            </svg>
            <ul class="legend"><li><span class="key current"></span>current</li><li><span class="key candidate"></span>candidate</li></ul></section>
            """
    }

    /// The least of 1, 2, 2.5, 5 times a power of ten that is not less.
    static func niceStep(_ least: Double) -> Double {
        guard least > 0, least.isFinite else { return 1 }
        var power = 1.0
        while power * 10 <= least { power *= 10 }
        while power > least { power /= 10 }
        return ([1, 2, 2.5, 5, 10].first { $0 * power >= least } ?? 10) * power
    }

    /// Seconds between marks of the time axis: at most eight marks, at times that people count in.
    static func timeStep(_ end: Double) -> Double {
        let steps: [Double] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400]
        if end < 1 { return niceStep(end / 4) }
        return steps.first { end / $0 <= 8 } ?? (end / 8 / 86_400).rounded(.up) * 86_400
    }

    private func clock(_ seconds: Double) -> String {
        if seconds < 10 && seconds != seconds.rounded() { return "\(Figures.fixed(seconds, 1)) s" }
        if seconds < 120 { return "\(Figures.fixed(seconds, 0)) s" }
        func figure(_ value: Double) -> String { Figures.fixed(value, value == value.rounded() ? 0 : 1) }
        return seconds < 7200 ? "\(figure(seconds / 60)) min" : "\(figure(seconds / 3600)) h"
    }

    /// `1.2k`, `34M`.
    private func compact(_ value: Double) -> String {
        func figure(_ value: Double) -> String { Figures.fixed(value, value < 100 && value != value.rounded() ? 1 : 0) }
        if value < 1000 { return figure(value) }
        return value < 1_000_000 ? "\(figure(value / 1000))k" : "\(figure(value / 1_000_000))M"
    }
}
