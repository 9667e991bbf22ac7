#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: tests/fuzz/corpus/TARGET/seed-*.

    tests/fuzz/make_corpus.py        (again after a format has changed)

Other files in the corpus are findings, each named by what it shows; they stay as they are.
"""
import gzip
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "conf" / "examples"


def seed(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    (folder / f"seed-{name}").write_bytes(content)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# Thrift's binary protocol.

def text(value):
    return struct.pack(">i", len(value)) + value


def field(kind, number, value):
    return struct.pack(">bh", kind, number) + value


def message(style, kind, name, arguments):
    if style == "strict":
        head = struct.pack(">I", 0x80010000 | kind) + text(name)
    else:
        head = text(name) + struct.pack(">b", kind)
    return head + struct.pack(">i", 7) + arguments


def entry(category, body):
    return field(11, 1, text(category)) + field(11, 2, text(body)) + b"\0"


def entries(*pairs):
    return struct.pack(">bi", 12, len(pairs)) + b"".join(entry(*pair) for pair in pairs)


def thrift():
    batch = (field(11, 1, text(b"00000000000000ab")) + field(10, 2, struct.pack(">q", 5))
             + field(10, 3, struct.pack(">q", 3)) + b"\0")
    listed = field(15, 1, entries((b"clicks", b"hello"), (b"orders", b"")))
    odd = field(15, 1, struct.pack(">bi", 12, 1) + field(11, 2, text(b"m"))
                + field(11, 1, text(b"c")) + field(8, 9, struct.pack(">i", 1)) + b"\0")
    nested = field(13, 3, struct.pack(">bbi", 11, 15, 1) + text(b"k")
                   + struct.pack(">bi", 12, 1) + field(2, 1, b"\1") + b"\0")
    for style in ("strict", "old"):
        seed("scribe_call", f"log-{style}", message(style, 1, b"Log", listed + b"\0"))
        seed("scribe_call", f"log-batch-{style}",
             message(style, 1, b"Log", listed + field(12, 15, batch) + b"\0"))
        seed("scribe_call", f"log-unusual-{style}", message(style, 4, b"Log", nested + odd + b"\0"))
        for name in (b"getName", b"getStatus", b"getCounters", b"reinitialize", b"nosuch"):
            seed("fb303", f"{name.decode()}-{style}", message(style, 1, name, b"\0"))
        seed("fb303", f"getCounter-{style}",
             message(style, 1, b"getCounter", field(11, 1, text(b"received")) + nested + b"\0"))
        seed("scribe_reply", f"ok-{style}",
             message(style, 2, b"Log", field(8, 0, struct.pack(">i", 0)) + b"\0"))
        seed("scribe_reply", f"exception-{style}",
             message(style, 3, b"Log",
                     field(11, 1, text(b"no")) + field(8, 2, b"\0\0\0\7") + b"\0"))


# Texts: the targets put the line with the checksum behind them.

def texts():
    path = "streams_local/clicks/2031/05/06/10/04"
    name = "clicks-2031-05-06-10-04_00001.gz"
    seed("record", "all-kinds", "databus-record 1\nnumber 7 0\n"
         f"minute-dir d1 {path} 0 00000000\nfile f2 {path}/c1-{name} 123 0a0b0c0d\n"
         "manifest f3 system/manifests/local/3/2031/05/06/10/04 90 00000001\n"
         "queue f4 system/consumers/dc1/3.1.2 60 00000002\n"
         "trash c5~c1~x system/trash/2031-05-06/10/x 5 00000003\n"
         "clean-up % system/sealed/c1/3.9 %\nclean-up dc2 system/mirrors/dc2/3.1.2 %\n")
    seed("manifest", "two-streams", "databus-manifest 1\nminute 2031-05-06T10:04Z local 3 %\n"
         "stream clicks 2 7 230 00000000\nfile a.gz 123 0a0b0c0d 7 cluster 00000000000000ab 9\n"
         "file b.gz 107 0a0b0c0e 0\nstream orders 0 0 0 00000000\n")
    seed("manifest", "mirror", "databus-manifest 1\nminute 2031-05-06T10:04Z streams 0 dc2\n")
    seed("announcement", "one", f"databus-sealed 1\nfile data/clicks/c1/{name}"
         " 123 0a0b0c0d 7 cluster 00000000000000ab 9\n")
    seed("tree_files", "cluster",
         "cdatabus-cluster 1\nid 00112233445566778899aabbccddeeff\ngroups 16\n")
    seed("tree_files", "lease", "ldatabus-lease 1\nholder worker-dc1@host:4711\n")
    seed("tree_files", "names", "n1\n2.fenced\n3\nnew-00112233\n18446744073709551614\n007\nx")
    seed("queue", "ours", f"{path}/c1-{name}\n")
    seed("queue", "original", f"file:///mnt/dc1//databus/{path}/c1-{name}\r\n"
         "hdfs://h:1/databus/streams/orders/2031/05/06/10/04\n\nodd line \n")
    seed("eras", "all-kinds",
         "databus-eras 1\nera clicks dc2 2031-05-06T10:04Z\nera orders dc1 %\n"
         "salvaged dc3 clicks 2031-05-06T10:03Z 00000007\n"
         f"missed dc3 {path}/c1-{name} clicks c1-{name}\n")
    seed("intent_note", "one", "9 123 168496141 7 1936087440000")
    seed("heartbeat", "worker", '{"version":1,"process":"worker-dc1","kind":"worker","host":"h1",'
         '"pid":812,"cluster":"dc1","written":"2031-05-06T10:04:05.678Z","interval_ms":5000,'
         '"state":"running","waiting_on":"","problems":[{"what":"a\\u00e9","since":'
         '"2031-05-06T10:00:00.000Z","next":"b"}],"facts":{"x":[1,2.5,null,true]}}')
    seed("heartbeat", "time", "2031-05-06T10:04:05.678Z")
    for name, content in (
            ("data", "clicks-2031-05-06-10-04_00001.gz"),
            ("plain", "clicks-2031-05-06-10-04_123456"),
            ("of-stream", "a-b_c\nh-1-a-b_c-2031-05-06-10-04_00001.gz"),
            ("path", "streams/clicks/2031/05/06/10/04/x.gz"), ("queue", "3.18446744073709551615.2"),
            ("announcement", "3.9"), ("trash", "c1~clicks-2031-05-06-10-04_00001~4-5~123"),
            ("epoch", "17.fenced"), ("record", "record-7.1"), ("pending", "pending-8"),
            ("claim", "c5~c1~clicks-2031-05-06-10-04_00001"), ("staged", "f9"),
            ("escaped", "a%20b%25"), ("iso", "2031-05-06T10:04Z"), ("stats", "Scribe_Stats"),
            ("url", "hdfs://h:1/databus/streams_local/clicks/2031/05/06/10/04")):
        seed("names", name, content)


def addresses():
    site = ("<configuration><property><name>%s</name><value>%s</value></property>"
            "<property><name>dfs.nameservices</name><value>ns1</value></property>"
            "<property><name>dfs.namenode.rpc-address.ns1</name><value>nn:9000</value></property>"
            "</configuration>")
    seed("hadoop_conf", "service", site % ("dfs.replication", "3"))
    seed("hadoop_conf", "variable", site % ("dfs.blocksize", "${dfs.nameservices}m"))
    seed("hdfs_answer", "none", bytes.fromhex("0608051000180900"))
    seed("hdfs_answer", "error",
         bytes.fromhex("1d080510012217") + b"java.io.FileNotFoundExc" + b"")
    data = b"hello"
    header = bytes.fromhex("090000000000000000110000000000000000180025") + struct.pack("<i", 5)
    seed("hdfs_packet", "data", struct.pack(">ih", 13, len(header)) + header +
         struct.pack(">I", crc32c(data)) + data)
    seed("hdfs_packet", "ack", bytes.fromhex("09080110001800220100"))
    seed("hdfs_packet", "block", bytes.fromhex("0e080022090a0408021080041000"))
    seed("cidr", "list", "10.0.0.0/8, 192.0.2.7,2001:db8::/32")
    seed("cidr", "mapped", "::ffff:192.0.2.0/120")
    seed("cidr", "address", "2001:db8::7")


def configs():
    for target, names in (("topology", ["databus.xml"]), ("worker_config", ["databus.cfg"]),
                          ("scribe_conf", ["scribe.conf", "scribe-redirect.conf"])):
        for name in names:
            content = (EXAMPLES / name).read_text()
            for mark, value in (("@PORT@", "1463"), ("@ROOT@", "/srv"), ("@DC@", "dc1"),
                                ("@NAME@", "c1"), ("@HOST@", "h1")):
                content = content.replace(mark, value)
            seed(target, name, content)
    seed("topology", "url", "file:///srv/dc1//")


def journals():
    def roles(primary, mirror):
        return {"name": "clicks", "sources": [{"cluster": "dc1", "hours": 24}],
                "destinations": [{"cluster": primary, "role": "primary", "hours": 48},
                                 {"cluster": mirror, "role": "mirror", "hours": 48}]}

    at = "2031-05-06T10:04:05.678Z"
    rule = {"cluster": "dc1", "stream": "", "mode": "redirect", "to": "dc2",
            "receivers": ["h1:1463", "[::1]:99"]}
    journal = {
        "id": "20310506T100405Z-unplanned-dc1-dc2", "revision": 7, "kind": "unplanned",
        "step": "despool", "started": at, "step_since": at, "driver": "h1:77",
        "token": "0123456789abcdef",
        "change": {"from": "dc1", "to": "dc2", "site": "dc1", "alone": "dc2",
                   "streams": [{"before": roles("dc1", "dc2"), "after": roles("dc2", "dc1")}],
                   "modes_before": [], "modes_after": [rule]},
        "base_epoch": 4, "base_digest": "aa", "without": ["dc3/c1"],
        "epochs": [{"step": "fence", "epoch": 5, "digest": "bb"},
                   {"step": "swap", "epoch": 6, "digest": "cc"}],
        "cuts": [{"stream": "clicks", "minute": "2031-05-06T10:04Z"},
                 {"stream": "orders", "minute": ""}],
        "fenced_boot_ms": 77, "swapped": at, "undoes": "", "loss": {"loss_id": "1"}, "report": None,
        "events": [{"at": at, "step": "begin", "text": "begun, plan 1"}]}
    seed("failover_journal", "body", json.dumps(journal))
    planned = dict(journal, kind="planned", step="begin", epochs=[], cuts=[], fenced_boot_ms=0,
                   swapped="", loss=None)
    seed("failover_journal", "begun", json.dumps(planned))
    plain = (EXAMPLES / "databus.xml").read_text().replace("@ROOT@", "/srv")
    plain = plain[plain.index("<databus>"):].rstrip()
    seed("stored_topology", "epoch", '<databus-topology version="1" epoch="3" adopted="no" '
         'author="a">\n<before epoch="2" digest="0123456789abcdef" plain="0123456789abcdef" '
         'adopted="yes"/>\n<before epoch="1" digest="1123456789abcdef" plain="0123456789abcdef" '
         'adopted="yes"/>\n<replaces digest="2123456789abcdef"/>\n'
         '<cluster-id cluster="dc1" id="00112233445566778899aabbccddeeff"/>\n'
         '<alone cluster="dc1"/>\n<collectors cluster="dc1" stream="clicks" mode="redirect" '
         'to="dc2"><receiver>h1:1463</receiver></collectors>\n'
         '<merged stream="clicks" publication="frozen" cut="2031-05-06T10:04Z"/>\n'
         + plain + "\n</databus-topology>\n")


# Bytes.

def gzips():
    plain = b"a line of some message\n" * 40
    packed = gzip.compress(plain, mtime=0)
    seed("gzip", "one-member", packed)
    seed("gzip", "two-members-and-padding", packed + gzip.compress(b"", mtime=0) + b"\0\0\0")
    seed("gzip", "stored", gzip.compress(bytes(range(256)), 0, mtime=0))
    seed("gzip", "cut", packed[:-5])
    names = packed[:3] + b"\x1e" + packed[4:10] + b"\4\0ab\0\0name\0comment\0\0\0" + packed[10:]
    seed("gzip", "all-header-fields", names)
    body = (b"\1" + b"\7cluster" + b"\x1000000000000000ab" + struct.pack("<Q", 9) + b"\6clicks\2c1"
            + struct.pack("<QqqQQI", 7, 1936087440000, 1936087441000, 900, 120, 0x0a0b0c0d))
    seed("sealed_header", "field", body)
    whole = body + struct.pack("<I", crc32c(body))
    other = b"XY\2\0zz"
    for name, before in (("header", b""), ("behind-another-field", other)):
        extra = before + b"DB" + struct.pack("<H", len(whole)) + whole
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", len(extra))
        seed("sealed_header", name, head + extra + packed[10:])


def spool():
    def short(value):
        return struct.pack("<I", len(value)) + value

    def ranges(*values):
        return struct.pack("<I", len(values)) + b"".join(struct.pack("<QQQ", *v) for v in values)

    intent = struct.pack("<Q", 4) + b"".join(map(short, (b"clicks", b"staged", b"final", b"note")))
    change = (struct.pack("<QQQ", 2, 3, 4) + ranges((1, 96, 200)) + ranges((2, 32, 64), (2, 64, 90))
              + struct.pack("<I", 1) + short(b"clicks") + struct.pack("<Q", 1000)
              + struct.pack("<I", 1) + struct.pack("<QQQ", 77, 5, 1936087440000)
              + struct.pack("<I", 1) + struct.pack("<Q", 3) + ranges((2, 90, 120))
              + struct.pack("<I", 1) + intent)
    end = struct.pack("<II", 0, 0)
    settled = struct.pack("<QQQ", 0, 0, 0) + ranges() * 5 + struct.pack("<I", 1) + intent
    settled += struct.pack("<IQ", 1, 4)
    framed = [struct.pack(">H", len(c)) + c for c in (change + end, settled)]
    seed("spool_state", "cut", framed[0])
    seed("spool_state", "cut-and-settled", framed[0] + framed[1])
    seed("spool_state", "rejected", short(b"bad/name") + short(b"reason") + short(b"message"))

    def damage(file, what, at, data):
        return bytes([file, what]) + struct.pack(">H", at) + bytes([len(data)]) + data

    for file in range(6):
        seed("spool", f"overwritten-{file}", damage(file, 0, 40, b"\0\0\0\0"))
        seed("spool", f"cut-{file}", damage(file, 3, 100, b""))
    seed("spool", "grown-and-repeated", damage(3, 1, 32, b"zzzz") + damage(2, 4, 96, b"x" * 8))
    seed("spool", "erased", damage(1, 2, 10, b"x" * 60))


def spool_pieces():
    def damage(what, at, data):
        return bytes([what]) + struct.pack(">H", at) + bytes([len(data)]) + data

    def part(value):
        return bytes([len(value)]) + value

    for name in ("segment-7", "copy-7", "segment-7-4096", "segment-7-0"):
        seed("spool_piece", name, b"\0" + name.encode())
    two = entries((b"clicks", b"one"), (b"views", entry(b"clicks", b"inner")))
    seed("spool_piece", "entries", b"\1" + two + b"x" * 9 + entry(b"orders", b""))
    for name, place in (("begin", b"\7\0\0\0"), ("far", b"\7\1\1\0"), ("too-far", b"\7\1\0\3")):
        seed("spool_piece", f"bytes-{name}", b"\2" + place + b"DBR1" * 20 + two)
    records = (b"\2" + part(b"clicks") + part(b"one") + part(b"views") + part(b"two")
               + b"\1" + part(b"-") + part(entry(b"clicks", b"inner")))
    for name, damages in (("sound", b""), ("overwritten", damage(0, 70, b"zz")),
                          ("cut", damage(3, 150, b"")), ("grown", damage(1, 20, b"DBR")),
                          ("erased", damage(2, 64, b"x" * 9)), ("repeated", damage(4, 90, b"x"))):
        seed("spool_piece", f"records-{name}", b"\3" + records + damages)
    seed("spool_piece", "inventory-sound", b"\4")
    for file in range(10):
        for name, how in (("overwritten", damage(0, 90, b"\0" * 4)), ("cut", damage(3, 100, b"")),
                          ("empty", damage(3, 0, b""))):
            seed("spool_piece", f"inventory-{name}-{file}", b"\4" + bytes([file]) + how)


for make in (thrift, texts, configs, addresses, journals, gzips, spool, spool_pieces):
    make()
