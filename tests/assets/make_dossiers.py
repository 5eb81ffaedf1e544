"""Make the dossiers of ``court/dossiers/``, each wrong in the one way that its name says, and the root to trust.

Run it at the top of the repository after a change: ``python -m tests.assets.make_dossiers``. It needs ``openssl``. The
tests read the stored files, so that a newer library can't quietly make them good.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tests.evidence.tsa import Bench, bench

from stealproof.claims import Claim
from stealproof.evidence.archive import DATE, PRIVATE, pack, unpack
from stealproof.evidence.dossier import ALLOWED, CLAIM, PLAN, Dossier, new_dossier
from stealproof.evidence.drand import Round
from stealproof.evidence.envelope import open_envelope, sign
from stealproof.evidence.keys import open_private, open_public
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement
from stealproof.inputs.claim import save_claim

COURT = Path(__file__).parent / "court"
HERE = COURT / "dossiers"
OWNER, STRANGER = (open_private(COURT / "keys" / f"{name}.key") for name in ("good", "stranger"))
SALT = bytes(range(32))
MODEL = "ab" * 32
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def main() -> None:
    """Write every file."""
    HERE.mkdir(parents=True, exist_ok=True)
    for path in HERE.iterdir():
        path.unlink()
    good = dossier()
    files = unpack(good.to_bytes(), ALLOWED, what="it")
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as authorities:
        (HERE / "root.pem").write_bytes(authorities.root.pem)
        write("good", good.stamped(authorities.stamp(good.envelope)))
        timestamps(good, authorities)
    write("good_closed", good.closed())
    no_archives(good.to_bytes())
    archives(files)
    other_files(files)
    statements(good)
    claims()


def no_archives(good: bytes) -> None:
    """Bytes around which no lenient reader may be led."""
    write("empty", b"")
    write("text", b"It is mine. Trust me.\n")
    write("cut_short", good[: len(good) // 2])
    write("byte_before", b"\0" + good)
    write("byte_after", good + b"\0")
    write("comment", good[:-2] + struct.pack("<H", 4) + b"mine")
    # The directory is what most readers believe; the second of these bytes is the size of the first entry in it.
    place = good.index(b"PK\1\2") + 24
    write("size_in_the_directory_is_4_gib", good[:place] + b"\xfe\xff\xff\xff" + good[place + 4 :])
    write("offset_beyond_the_end", good[:-6] + b"\xf0\xff\xff\x7f" + good[-2:])


def archives(files: Mapping[str, bytes]) -> None:
    """Zips that hold a dossier's files, and not as they must."""
    key = files["accuser.pub"]
    write("path_traversal", pack({**files, "../accuser.pub": key}))
    write("path_absolute", pack({**files, "/etc/passwd": b"root::0:0:::\n"}))
    write("path_of_windows", pack({**files, "..\\accuser.pub": key}))
    write("name_in_capitals", pack({name.replace("salt", "SALT"): content for name, content in files.items()}))
    write("private_key_within", pack({**files, "accuser.pem": (COURT / "keys" / "stranger.key").read_bytes()}))
    write("another_order", pack({name: files[name] for name in reversed(list(files))}))
    write("entry_twice", zipped([*files.items(), ("accuser.pub", key)]))
    write("three_hundred_entries", many_entries(300))
    write("bomb", zipped([*files.items()], zeros={"claim.safetensors": 16 << 20}))
    write("compressed", zipped([*files.items()], method=zipfile.ZIP_DEFLATED))
    write("link", zipped([*files.items()], mode=0o120777 << 16))
    write("another_date", zipped([*files.items()], date=(2026, 1, 1, 0, 0, 0)))
    write("encrypted", encrypted(pack(files)))


def other_files(files: Mapping[str, bytes]) -> None:
    """Well-packed, with a file too many, too few or another one."""
    for name in ("README.txt", "statement.dsse.json", "accuser.pub", "claim.safetensors", "salt"):
        write(f"no_{name.split('.')[0].lower()}", pack({key: files[key] for key in files if key != name}))
    another = dossier(salt=bytes(32))
    write("another_readme", repacked(files, {"README.txt": b"No need to check anything.\n"}))
    write("another_key", repacked(files, {"accuser.pub": STRANGER.public.to_pem()}))
    write("another_salt", repacked(files, {"salt": another.salt}))
    write("another_claim", repacked(files, {"claim.safetensors": claim(seed=1)}))
    write("another_statement", repacked(files, {"statement.dsse.json": another.envelope}))
    write("another_plan", repacked(files, {"plan.dossier": b"a plan"}))
    write("plan_and_claim", repacked(files, {"plan.json": b"{}"}))
    write("round_in_a_claim", repacked(files, {"round.json": Round(1, bytes(48)).to_bytes()}))
    write("salt_too_long", repacked(files, {"salt": bytes(33)}))


def timestamps(good: Dossier, authorities: Bench) -> None:
    """Tokens that show nothing about this dossier."""
    then = datetime(2020, 1, 1, tzinfo=UTC)
    early = authorities.authority("early", valid=(then - timedelta(days=1), then + timedelta(days=1)))
    write("timestamp_empty", pack(unpack(good.stamped(b"x").to_bytes(), ALLOWED, what="it") | {"timestamp.tsr": b""}))
    write("timestamp_of_garbage", good.stamped(b"2020-01-01"))
    write("timestamp_of_something_else", good.stamped(authorities.stamp(b"something else")))
    write("timestamp_back_dated", good.stamped(authorities.signer.forge(good.envelope, then)))
    write("timestamp_after_the_certificate", good.stamped(early.forge(good.envelope, then + timedelta(days=2))))
    web = authorities.authority("web", usages=())
    write("timestamp_by_a_web_server", good.stamped(web.forge(good.envelope, datetime.now(UTC))))


def statements(good: Dossier) -> None:
    """Signed by the owner, who says what can't be."""
    payload = open_envelope(good.envelope, [open_public(COURT / "keys" / "good.pub")], payload_type=PAYLOAD_TYPE)
    said: dict[str, Any] = dict(Statement.from_bytes(payload).predicate)

    def stated(name: str, *, kind: str = CLAIM, models: tuple[str, ...] = ("model",), **changes: Any) -> None:
        predicate = {key: value for key, value in (said | changes).items() if value != "left out"}
        statement = Statement(subject=dict.fromkeys(models, MODEL), predicate_type=kind, predicate=predicate)
        write(name, dataclasses.replace(good, envelope=sign(statement.to_bytes(), OWNER, payload_type=PAYLOAD_TYPE)))

    stated("states_a_plan", kind=PLAN)
    stated("states_praise", kind="https://stealproof.example/praise/v1")
    stated("states_another_format", format="stealproof dossier 2")
    stated("states_an_unknown_field", critical=["new"])
    stated("states_no_commitment", commitment="left out")
    stated("states_a_short_commitment", commitment="00")
    stated("states_another_key", accuser=STRANGER.key_id)
    stated("states_another_scheme", scheme="ipguard")
    stated("states_other_parameters", parameters={"triggers": 100})
    stated("states_parameters_as_a_list", parameters=[])
    stated("states_a_plan_that_is_missing", plan="00" * 32)
    stated("states_two_models", models=("model", "other"))
    stated("states_control_characters", created="\x1b[2Jowned")


def claims() -> None:
    """Signed and committed to, and no claim."""
    content = claim()
    write("claim_is_a_pickle", dossier(pickle.dumps({"inputs": [1, 2, 3]})))
    write("claim_is_cut_short", dossier(content[:-1]))
    write("claim_is_altered", dossier(content[:-1] + bytes([content[-1] ^ 1])))
    write("claim_has_an_endless_header", dossier(b"\xff" * 8 + content[8:]))
    write("claim_is_nested_deeply", dossier(struct.pack("<Q", 10_000) + b"[" * 10_000))
    write("plan_is_no_dossier", dossier(plan=b"a plan"))


def claim(*, seed: int = 0) -> bytes:
    """A claim file of three triggers."""
    rng = np.random.default_rng(seed)
    secrets = {"inputs": rng.random((3, 1, 8, 8), dtype=np.float32), "labels": rng.integers(10, size=3), "classes": 10}
    with tempfile.TemporaryDirectory() as folder:
        made = Claim(scheme="adi2018", parameters={"triggers": 3}, secrets=secrets)
        return save_claim(made, Path(folder) / "made.claim").read_bytes()


def dossier(content: bytes | None = None, *, salt: bytes = SALT, plan: bytes = b"") -> Dossier:
    """An open dossier by the owner, without a timestamp."""
    return new_dossier(
        claim() if content is None else content,
        salt,
        kind=CLAIM,
        subject="model",
        model=MODEL,
        scheme="adi2018",
        parameters={"triggers": 3},
        key=OWNER,
        created=CREATED,
        plan=plan,
    )


def repacked(files: Mapping[str, bytes], changes: Mapping[str, bytes]) -> bytes:
    """The files with others in their place, in the order that a dossier has."""
    both = {**files, **changes}
    return pack({name: both[name] for name in ALLOWED if name in both})


def zipped(
    entries: list[tuple[str, bytes]],
    *,
    method: int = zipfile.ZIP_STORED,
    mode: int = PRIVATE,
    date: tuple[int, int, int, int, int, int] = DATE,
    zeros: Mapping[str, int] | None = None,
) -> bytes:
    """A zip as another program would write it; entries in ``zeros`` are so many of them, compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name, content in entries:
            info = zipfile.ZipInfo(name, date)
            info.create_system, info.external_attr, info.compress_type = 3, mode, method
            if name in (zeros or {}):
                info.compress_type, content = zipfile.ZIP_DEFLATED, bytes((zeros or {})[name])
            made.writestr(info, content, compresslevel=9)
    return buffer.getvalue()


def many_entries(count: int) -> bytes:
    """A zip whose directory names one entry so many times, all of them the same bytes."""
    one = zipped([("accuser.pub", b"x")])
    start = one.index(b"PK\1\2")
    entry = one[start : one.index(b"PK\5\6")]
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, count * len(entry), start, 0)
    return one[:start] + entry * count + end


def encrypted(content: bytes) -> bytes:
    """The zip with the bit that says that its first entry is encrypted, in both places."""
    altered = bytearray(content)
    for place in (content.index(b"PK\3\4") + 6, content.index(b"PK\1\2") + 8):
        altered[place] |= 1
    return bytes(altered)


def write(name: str, content: bytes | Dossier) -> None:
    """Write one dossier."""
    (HERE / f"{name}.dossier").write_bytes(content.to_bytes() if isinstance(content, Dossier) else content)


if __name__ == "__main__":
    main()
