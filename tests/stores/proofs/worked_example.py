"""The worked example of stores/FORMAT.md: a store of a few hundred bytes, and the section that shows all of it.

A test holds the page to it. `PYTHONPATH=stores python tests/stores/proofs/worked_example.py` writes the section anew.
"""

from __future__ import annotations

import itertools
import json
import re
import tempfile
import textwrap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores import DatasetIdentity, GuideIdentity, GuideStore, GuideStoreWriter, IdentityArrays, StoreHeader
from dgkd_stores.coding.canonical import canonical_json, sha256_hex

PAGE = Path(__file__).parents[3] / "stores" / "FORMAT.md"
BEGIN, END = "<!-- made by tests/stores/proofs/worked_example.py -->\n", "<!-- until here -->\n"
LF = "\n"

LOGITS_1NC = np.array([[[1.5, -0.25, 0], [0.1, 0.2, 0.3], [-2, 4, 1], [0.5, 0.5, 0.5]]], np.float32)
TESTS_MC = np.array([[0, 1, 3]], np.float32)
_PLAN = {
    "format": "dgkd-view-plan",
    "version": 1,
    "channels": 1,
    "height": 8,
    "width": 8,
    "transforms": [{"name": "crop", "padding": 1}, {"name": "hflip"}],
    "scheme": "sampled",
    "seed": 0,
    "words": 3,
}
HEADER = StoreHeader(
    dataset=DatasetIdentity(
        name="tiny",
        split="train",
        classes=("cat", "Käfer", 'a"b'),
        samples=4,
        test_samples=1,
        digest="11" * 32,
        sample_digest="pixels",
    ),
    plan=_PLAN,
    plan_digest=sha256_hex(canonical_json(_PLAN)),
    first_view=0,
    views=1,
    guide=GuideIdentity(
        name="teacher",
        architecture="resnet8",
        parameters=78042,
        weights_digest="22" * 32,
        accuracy="0.875",
        training={},
        guides={},
    ),
    encoding="uint8",
    fidelity={"kl": "0.000006", "top1": "1", "rows": 4},
    temperature="4",
    digest_rows=2,
    probe="sha256",
    compute={"batch": 4, "device": "cpu"},
    licence="CC-BY-4.0",
)


def write(path: Path) -> str | None:
    """Make the store; its seal."""
    identity = IdentityArrays(
        label_N=np.array([0, 2, 1, 0]),
        sample_digest_N16=np.repeat(np.arange(4, dtype=np.uint8)[:, None], 16, axis=1),
        view_digest_V32=np.full((1, 32), 0xAA, np.uint8),
        probe=np.full((64, 32), 0xCC, np.uint8),
        test_logits_MC=TESTS_MC,
        test_label_M=np.array([2]),
        test_sample_digest_M16=np.full((1, 16), 0xBB, np.uint8),
    )
    with GuideStoreWriter(path, HEADER, identity) as writer:
        for slot in writer.missing():
            writer.write(slot, LOGITS_1NC[slot.view, slot.start : slot.stop])
        return writer.seal()


def section(path: Path) -> str:
    """Returns the section of the page about the store at `path`."""
    group = (path / "zarr.json").read_bytes()
    attributes = json.loads(group)["attributes"]
    canonical = canonical_json(attributes["dgkd"])
    with GuideStore.open(path) as store:
        rows_NC = store.gather(np.zeros(4, int), np.arange(4))
    files = {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("c.*"))}
    return f"""\
The header as canonical JSON, {len(canonical)} bytes, broken here after every 110 characters:

```text header
{broken(canonical.decode(), 110)}
```

The content of `zarr.json`, laid out to be read, with this header where HEADER stands. The file as writers should lay it
out (sorted keys, indented by two spaces, a line feed at the end) has SHA-256
`{sha256_hex(group)}`:

```json zarr.json
{pretty({**json.loads(group), "attributes": {**attributes, "dgkd": "HEADER"}})}
```

The content of `logits/zarr.json`; the other arrays' follow from the table of arrays in the same way:

```json logits/zarr.json
{pretty(json.loads((path / "logits" / "zarr.json").read_bytes()))}
```

Every chunk file in hex; `xx*n` is the byte xx n times:

```text chunks
{LF.join(chunk_lines(files))}
```

The records of the two blocks (for each row 3 bytes of `logits` and 8 of `scale`), SHA-256 of them and of the header.
The digests of the arrays stand under `dgkd_digests` above, and `dgkd_seal` follows from them and the header:

```text digests
{LF.join(f"{name}  {digest}" for name, digest in digests(path, canonical).items())}
```

The rows given to the writer, and what a reader makes of the store, as the shortest decimals of these float32:

```text rows
{LF.join(f"given    {numbers(row)}" for row in LOGITS_1NC[0])}
{LF.join(f"decoded  {numbers(row)}" for row in rows_NC)}
```
"""


def digests(path: Path, canonical: bytes) -> dict[str, str]:
    """SHA-256 of the header, and each block's records with theirs."""
    levels, scales = ((path / name / "c.0.0.0").read_bytes() for name in ("logits", "scale"))
    found = {"header  ": sha256_hex(canonical)}
    for block in range(2):
        records = [levels[3 * row : 3 * row + 3] + scales[8 * row : 8 * row + 8] for row in (2 * block, 2 * block + 1)]
        found[f"records {block}"] = b"".join(records).hex()
        found[f"block {block} "] = sha256_hex(b"".join(records))
    return found


def chunk_lines(files: dict[str, bytes]) -> list[str]:
    width = max(map(len, files))
    return [
        f"{name if number == 0 else '':{width}}  {line}"
        for name, content in files.items()
        for number, line in enumerate(hex_lines(content))
    ]


def numbers(row: NDArray[np.float32]) -> str:
    return "".join(f"{str(x):>15}" for x in row).rstrip()


def pretty(value: object, indent: str = "", before: int = 0) -> str:
    """JSON with sorted keys, on one line where it fits."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(indent) + before + len(line) <= 110 or not isinstance(value, dict):
        return line
    inner = indent + "  "
    parts = (f'{inner}"{key}": ' + pretty(value[key], inner, len(key) + 4) for key in sorted(value))
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def broken(text: str, width: int) -> str:
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


def hex_lines(content: bytes) -> list[str]:
    """Lines of hex in which four or more equal bytes stand as xx*n."""
    tokens, text = [], ""
    for _, run in itertools.groupby(content):
        equal = bytes(run)
        if len(equal) < 4:
            text += equal.hex()
            continue
        tokens += [text, f"{equal[:1].hex()}*{len(equal)}"]
        text = ""
    tokens.append(text)
    # At most one SHA-256 a token.
    return textwrap.wrap(" ".join(piece for token in tokens for piece in textwrap.wrap(token, 64)), 92)


def parse_hex(text: str) -> bytes:
    """The inverse of `hex_lines`."""
    runs = (token.partition("*") for token in text.split())
    return b"".join(bytes.fromhex(digits) * int(times or 1) for digits, _, times in runs)


def blocks(page: str) -> dict[str, str]:
    """The example's code blocks by name."""
    return dict(re.findall(r"^```\w+ (\S+)\n(.*?)\n```$", page.partition(BEGIN)[2], flags=re.S | re.M))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "tiny.zarr")
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + section(Path(folder) / "tiny.zarr") + END + rest.partition(END)[2])
