"""Asks each URL=STATUS until it answers so; ends with 1 where one does not within three minutes."""

import sys
import time
import urllib.error
import urllib.request


def asked(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return str(error)


end, failed = time.monotonic() + 180, 0
for one in sys.argv[1:]:
    url, _, wanted = one.rpartition("=")
    while (said := asked(url)) != wanted and time.monotonic() < end:
        time.sleep(2)
    failed += said != wanted
    print("ok  " if said == wanted else "FAIL", url, said, "" if said == wanted else f"instead of {wanted}", flush=True)
sys.exit(1 if failed else 0)
