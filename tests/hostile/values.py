"""What is put where a harmless value was expected, by class."""

import json

CARD = "4111111111111111"
FORGED_LINE = "2026-01-01T00:00:00.000+00:00 ERROR forged"

TEXTS = {
    "nul": ("\0", "a\0b", "\0\0\0\0\0\0\0\0\0"),
    "surrogate": ("\ud800", "a\udfffb", "\ud83d"),
    "unicode": (
        *(
            "😀" * 50,
            "e\u0301\u0323" * 40,
            "\u202egnp.exe",
            "\u200b\u200d\ufeff",
            "\u0130\u0131\u017f\u212a",
            "ﷺ",
        ),
        *("\U0010ffff", "\u2028\u2029", "é" * 255, "١٢٣", "\uff11\uff12\uff13", "\x7f\x80\x9f"),
    ),
    "injection of SQL": (
        *("' OR 1=1--", "'; DROP TABLE billy_accounts_company;--", "%", "_%", "\\", '"'),
        *("1) UNION SELECT callback_key FROM billy_accounts_company--", "$$;SELECT pg_sleep(9)"),
    ),
    "injection into templates": (
        *("{{7*7}}", "{% debug %}", "${7*7}", "#{7*7}", "%(x)s%s%n", "{0.__class__}", "<%=7*7%>"),
        *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
    ),
    "injection into headers": ("x\r\nSet-Cookie: a=b", "x\n\n<html>", "x\rY: z", "\r\n\r\n"),
    "injection into logs": (
        *(f"x\n{FORGED_LINE} [-]: all is well", "\x1b[2J\x1b]0;x\x07", "a\u2028b\x85c"),
    ),
    "traversal": (
        *("../../../../etc/passwd", "..%2f..%2fmanage.py", "%2e%2e/%2e%2e/", "....//....//"),
        *("file:///etc/passwd", "\\..\\..\\windows", "/etc/passwd", "..;/admin/", "http://[::1"),
    ),
    "over-long": ("A" * 300, "9" * 1_000, "a/" * 900, "é" * 1_500),
    "number": (
        *(
            "-1",
            "0",
            "1",
            "1e309",
            "NaN",
            "-Infinity",
            "9" * 23,
            "9" * 5_000,
            "0x10",
            "1_000",
            "1.0",
        ),
        *(str(2**31), str(2**63), str(-(2**63) - 1), str(2**64), " 7 ", "+7", "07", "--1", "1,1"),
    ),
    "date": (
        *("0001-01-01", "9999-12-31T23:59:59-14:00", "2026-02-30", "2026-13-01", "10000-01-01"),
        *("2026-01-01T00:00:00+99:99", "0000-00-00", "-0001-01-01", "2026-W01-1", "20260101T2460"),
    ),
    "name of a zone or currency": ("Mars/Olympus", "../../etc/localtime", "XXX", "usd", "\u20ac"),
    "type": ("null", "true", "[]", "{}", '"', "[object Object]", "undefined", "None"),
    "number of a card": (
        CARD,
        "4111-1111-1111-1111",
        "5555 5555 5555 4444",
        "378282246310005".translate({48 + n: 0xFF10 + n for n in range(10)}),
    ),
}

SHAPES: tuple[object, ...] = (
    *(None, True, 0, -1, 1.5, "", [], {}, [[]], [None], [{"id": {}}], {"id": "EV1"}),
)
DEEP = (5_000, 100_000)
BODIES = {
    "depth of JSON": (
        *(b"[" * depth for depth in DEEP),
        *(b"[" * depth + b"]" * depth for depth in DEEP),
        b'{"id":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"events":[' * 3_000,
    ),
    "no object": (
        *(b"", b"null", b"true", b"[]", b'"EV1"', b"1", b'["EV1"]', b"NaN", b"\x00", b"not JSON"),
        *(b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"{}{}", b"{", b'{"id"}', b"[1,", b"\xff\xff"),
    ),
    "huge integer": (
        b'{"id":' + b"9" * 5_000 + b"}",
        b'{"id":"EV1","amount":' + b"9" * 200_000 + b"}",
        b'{"id":1e400}',
    ),
    "repeated key": (b'{"id":"EV1","id":"EV2"}', b'{"id":"EV1","id":null,"id":[]}'),
    "over-long body": (
        b"x" * (256 * 1024 + 1),
        b'{"id":"' + b"E" * 250_000 + b'"}',
        b"a=" * 600_000,
    ),
    "type confusion": tuple(
        json.dumps({"id": value, "events": value}).encode() for value in SHAPES
    ),
    "form": (
        *(b"a=%00", b"%", b"a=%ff%fe&b=%ud800", b"&" * 5_000, b"=&=&=", b"next=//evil.example&a=b"),
        b"&".join(b"f%d=1" % number for number in range(1_500)),
    ),
    "text in JSON": tuple(
        json.dumps({"id": text, text: "EV1", "meta": {text: text}}).encode()
        for name in ("nul", "surrogate", "unicode", "injection into logs", "number of a card")
        for text in TEXTS[name]
    ),
}

CONTENT_TYPES = (
    *(b"", b"text/xml", b"application/json; charset=foo-bar", b"application/json;charset=utf-16"),
    *(
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=\xff",
    ),
    *(
        b"multipart/form-data; boundary=" + b"b" * 300,
        b"application/x-www-form-urlencoded; charset=utf-7",
    ),
    *(
        b"application/json\x0b",
        b"a/b/c;;;=",
        b"\xe2\x98\x83/\xe2\x98\x83",
        b"text/plain; charset=\x80",
    ),
)
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="a\x00"\r\n\r\nx\r\n--b--\r\n',
    b'--b\r\nContent-Disposition: form-data; name="a"; filename="../../x"\r\n\r\nx\r\n--b--\r\n',
    b"--b\r\nContent-Disposition: form-data; name*=utf-8''%ED%A0%80\r\n\r\nx\r\n--b--",
    b"--b\r\nContent-Disposition: form-data\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--",
    b"--b\r\n\r\n\r\n--b\r\n--b--" + b"--b\r\n" * 500,
    b"--b",
)
HEADERS = (
    *((b"Host", b""), (b"Host", b"evil.example"), (b"Host", b"a b"), (b"Host", b"127.0.0.1:99999")),
    *((b"Host", b"[::1"), (b"Host", b"\xff"), (b"X-Forwarded-Host", b"evil.example")),
    *((b"Cookie", b'sessionid="abcdefgh\\000"'), (b"Cookie", b"sessionid=" + b"a" * 5_000)),
    *((b"Cookie", b"sessionid=\xff\xfe; csrftoken=\x80"), (b"Cookie", b";=;=" * 300)),
    *((b"Cookie", b'csrftoken="\\000"; messages="[[\\"__json_message\\",0,99999,\\"x\\"]]"'),),
    *((b"X-Request-ID", b"x" * 9_000), (b"X-Request-ID", b"a\tb"), (b"X-Request-ID", b"\xff\xff")),
    *((b"X-Forwarded-For", b"'; DROP TABLE x;--"), (b"X-Forwarded-Proto", b"https,http")),
    *((b"Accept", b"*/*;q=\xff"), (b"Accept-Language", b"x" * 6_000), (b"Range", b"bytes=9-1,-,")),
    *((b"If-Modified-Since", b"Thu, 99 Foo 99999 99:99:99 GMT"), (b"If-None-Match", b'"' * 900)),
    *((b"If-Modified-Since", b"Mon, 01 Jan 0000 00:00:00 GMT"), (b"Origin", b"null")),
    *((b"Referer", b"http://[::1"), (b"Referer", b"\xff://"), (b"Origin", b"http://[")),
    *(
        (b"Authorization", b"Basic \xff"),
        (b"Authorization", b"Basic AAAA"),
        (b"Authorization", b"x"),
    ),
    *((b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"\xff"), (b"Expect", b"200-maybe")),
    *(
        (b"X-HTTP-Method-Override", b"DELETE"),
        (b"X-CSRFToken", b"\x80"),
        (b"X-CSRFToken", b"a" * 64),
    ),
    *((b"Balanced-Signature", "é".encode()), (b"Webhook-Signature", b"v1,\xff v1a,")),
    *((b"Upgrade", b"websocket"), (b"Content-Length", b"+3"), (b"Script-Name", b"/x")),
)
METHODS = (
    *(b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND"),
    *(b"FOO", b"get", b"POST ", b"\xff", b"A" * 300, b"M-SEARCH"),
)
