"""A program at the other end of the pipe that needs nothing but the standard library."""

import json
import os
import struct
import sys


def main():
    answers = os.fdopen(os.dup(1), "w")
    limit = 0.0
    for line in sys.stdin.buffer:
        request = json.loads(line)
        rows, columns = request.get("shape", (0, 0))
        values = struct.unpack(f"<{rows * columns}d", sys.stdin.buffer.read(8 * rows * columns))
        if request["do"] == "start" and request["adapter"] == "dies":
            sys.exit(3)
        if request["do"] == "start" and request["adapter"] == "unknown":
            answer = {"error": "KeyError: unknown"}
        elif request["do"] == "start":
            limit = request["level"] if request["level"] is not None else max(values)
            answer = {}
        elif request["do"] == "feed":
            alarms = [row for row in range(rows) if max(values[row * columns : (row + 1) * columns]) > limit]
            answer = {"alarms": alarms, "seconds": 0.25}
        elif request["do"] == "held":
            answer = {"bytes": 4_096}
        else:
            answer = {"python": "3"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
