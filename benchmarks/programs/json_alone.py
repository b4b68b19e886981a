"""Print the seconds that decoding and encoding JSON takes, as a list: json_alone.pyc FILE REPETITIONS"""

import json
import sys
import time

with open(sys.argv[1], "rb") as file:
    event = file.read()
times_s = []
for _ in range(int(sys.argv[2])):
    start_s = time.perf_counter()
    json.dumps(json.loads(event), ensure_ascii=False).encode()
    times_s.append(time.perf_counter() - start_s)
print(json.dumps(times_s))
