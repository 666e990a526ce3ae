"""Two sides' counters of one stream, held against each other over the same span of time.

Counters grow in steps (a frame is a burst of packets), and the sides are not read at the same
moment. So the span begins and ends at samples of the first side, and the second side is read off
the straight line between its two samples around that moment. What that costs is at most what
arrives between two samples of the second side, which is where the bounds of the tests come from."""
from .proc import check


class Counter:
    """Samples [(wall ms, {member: value})] of a stream."""

    def __init__(self, samples):
        self.samples = samples

    def at(self, member, t):
        points = [(s, values[member]) for s, values in self.samples if values.get(member) is not None]
        for (t0, v0), (t1, v1) in zip(points, points[1:]):
            if t0 <= t <= t1:
                return v0 + (v1 - v0) * (t - t0) / max(t1 - t0, 1e-9)
        return None

    def values(self, member, begin, end):
        return [values[member] for t, values in self.samples
                if begin <= t <= end and values.get(member) is not None]


def of_series(series):
    """A Counter of a stream of a Squall peer (squall.Series). The last sample is taken when the peer
    leaves, before its second is over, so its time is not known."""
    times = [t for t, _ in series.members["timestamp"]][:-1]
    return Counter([(t, {name: values[i][1] for name, values in series.members.items() if i < len(values)})
                    for i, t in enumerate(times)])


def common_span(first, second, at_least_ms=4000):
    """The longest span between two samples of `first` that `second` covers as well."""
    begin, end = second.samples[0][0], second.samples[-1][0]
    times = [t for t, _ in first.samples if begin <= t <= end]
    check(len(times) >= 2 and times[-1] - times[0] >= at_least_ms,
          f"the two sides were only seen together for {times[-1] - times[0] if times else 0:.0f} ms")
    return times[0], times[-1]


def growth(counter, member, span):
    values = [counter.at(member, t) for t in span]
    check(None not in values, f"no {member} over the whole span")
    return values[1] - values[0]


def agree(what, first, second, pairs, share, apart, log):
    """For each (member of first, member of second, unit of `apart`): the growth over the common span
    differs by no more than `share` of it plus apart[unit]."""
    span = common_span(first, second)
    for mine, theirs, unit in pairs:
        a, b = growth(first, mine, span), growth(second, theirs, span)
        bound = share * a + apart[unit]
        log(f"{what}: {mine} {a:.0f}, the other side {b:.0f} in {(span[1] - span[0]) / 1000:.1f} s")
        check(a > 0, f"{what}: {mine} did not grow")
        check(abs(a - b) <= bound,
              f"{what}: {mine} grew by {a:.0f}, the other side's {theirs} by {b:.0f}: more than {bound:.0f} apart")
    return span
