# traffic.log: 24000 lines from a fixed linear congruential generator
awk 'BEGIN {
  seed = 20310
  split("200 200 200 206 304 404 500 200 200 301", status, " ")
  for (i = 0; i < 24000; i++) {
    seed = (seed * 16807) % 2147483647; client = int(seed / 1000) % 60
    seed = (seed * 16807) % 2147483647; s = status[1 + int(seed / 1000) % 10]
    seed = (seed * 16807) % 2147483647; bytes = s == 304 ? "-" : seed % (client * 150000 + 900)
    if (i % 8000 == 4000) print i, "node-7b", 200, "1300000000"
    if (i % 8000 == 5000) print i, "node-07", 206, "1300000000"
    if (i == 6000) print i, "probe-1", 500, "9000000000"
    print i, "node-" client, s, bytes
  } }' > traffic.log
