#!/usr/bin/env python3
"""What zlib alone costs: takes the bodies that `tailgate load --gzip` sends, and times nothing but inflating them."""

import http.server
import statistics
import subprocess
import sys
import threading
import time
import zlib

SPANS = 1024
bodies = []


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
subprocess.run(
    [sys.argv[1], "load", "--endpoint", f"127.0.0.1:{server.server_address[1]}", "--protocol", "http", "--gzip", "--rate", "40000",
     "--seconds", "1", "--in-flight", "1", "--json"], check=True, stdout=subprocess.DEVNULL)
server.shutdown()

runs = []
for _ in range(5):
    begin = time.thread_time()
    inflated = 0
    for body in bodies:
        # The size of the buffer is known here, so that nothing is copied twice.
        inflated += len(zlib.decompress(body, 31, 1 << 20))
    runs.append((time.thread_time() - begin) * 1e6 / (SPANS * len(bodies)))
print(
    f"zlib {zlib.ZLIB_RUNTIME_VERSION}: {statistics.median(runs):.3f} CPU-seconds per million spans"
    f" ({len(bodies)} requests, {sum(map(len, bodies)) / SPANS / len(bodies):.0f} bytes a span, {inflated / SPANS / len(bodies):.0f} inflated)")
