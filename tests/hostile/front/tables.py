"""CSV files that nobody means well, or well enough, with."""

import gzip
import io
import zipfile

from tests.hostile.front.hostile_texts import TEXTS

HEADER = "leaf_length,leaf_width,steep_time"
_ROW = "3.0,1.0,2.0"
_GOOD = f"{HEADER}\n{_ROW}\n5.0,2.0,3.5\n"
_ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "latin-1", "shift_jis", "cp037")


def tables() -> dict[str, bytes]:
    """Each by the name of its case."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", b"1,2,3\n" * 1_000_000)
    texts = {
        "good": _GOOD,
        "nothing": "",
        "blanks": " \n\t\n , , \n",
        "only a header": f"{HEADER}\n",
        "no header": f"{_ROW}\n{_ROW}\n",
        "a header twice": f"{HEADER}\n{HEADER}\n{_ROW}\n",
        "a column twice": f"{HEADER},leaf_width\n{_ROW},1.0\n",
        "a column missing": "leaf_length,steep_time\n3.0,2.0\n",
        "other columns": "a,b,c\n1,2,3\n",
        "the same row 10 000 times": f"{HEADER}\n" + f"{_ROW}\n" * 10_000,
        "200 000 rows": f"{HEADER}\n" + f"{_ROW}\n" * 200_000,
        "10 000 columns": ",".join([HEADER, *(f"c{number}" for number in range(10_000))]) + f"\n{_ROW}" + ",1" * 10_000,
        "10 000 columns in one row": f"{HEADER}\n{_ROW}" + ",1" * 10_000,
        "200 000 commas": f"{HEADER}\n" + "," * 200_000,
        "a line of 5 MB": f"{HEADER}\n" + "1" * 5_000_000,
        "a cell of 1 MB": f'{HEADER}\n"{"x" * 1_000_000}",1.0,2.0\n',
        "a header of 1 MB": f"{'h' * 1_000_000},{HEADER}\n1,{_ROW}\n",
        "cells missing": f"{HEADER}\n3.0\n3.0,1.0\n,,\n{_ROW}\n",
        "too many cells": f"{HEADER}\n{_ROW},4,5\n",
        "an open quote": f'{HEADER}\n"3.0,1.0,2.0\n{_ROW}\n',
        "quotes in quotes": f'{HEADER}\n"3.0","1.0","2.0"\n"3"".0",1.0,2.0\n',
        "a line end in quotes": f'{HEADER}\n"3.0\n",1.0,2.0\n',
        "only quotes": '"' * 100_000,
        "semicolons": _GOOD.replace(",", ";"),
        "tabs": _GOOD.replace(",", "\t"),
        "bars": _GOOD.replace(",", "|"),
        "blanks between": _GOOD.replace(",", " "),
        "decimal commas": _GOOD.replace(",", ";").replace(".", ","),
        "all separators": f"{HEADER}\n3.0;1.0\t2.0\n",
        "CR": _GOOD.replace("\n", "\r"),
        "CR LF": _GOOD.replace("\n", "\r\n"),
        "mixed line ends": f"{HEADER}\r{_ROW}\n\r{_ROW}\x0b{_ROW}\x0c{_ROW}\u2028{_ROW}\x85{_ROW}",
        "NUL": f"{HEADER}\n3.0\0,1.0,2.0\n\0\n{_ROW}\n",
        "a mark in the middle": f"{HEADER}\n\ufeff{_ROW}\n",
    }
    numbers = (
        "1e999",
        "-1e999",
        "1e308",
        "NaN",
        "inf",
        "-0",
        "1_0",
        "0x10",
        "\u0663.0",
        "9" * 5000,
        "1e-400",
        "--1",
        "1e",
    )
    texts |= {f"the number {text[:10]}": f"{HEADER}\n{text},1.0,2.0\n" for text in numbers}
    for name, text in TEXTS.items():
        quoted = text.replace('"', '""')
        texts[f"a cell is {name}"] = f'{HEADER}\n"{quoted}",1.0,2.0\n{_ROW}\n'
        texts[f"a column is {name}"] = f'"{quoted}",{HEADER}\n1,{_ROW}\n'
    return {
        **{name: text.encode("utf-8", "surrogatepass") for name, text in texts.items()},
        **{f"in {encoding}": _GOOD.encode(encoding) for encoding in _ENCODINGS},
        "bytes": bytes(range(256)) * 10,
        "half a character at the end": _GOOD.encode() + b"\xe2\x82",
        "a zip file": zipped.getvalue(),
        "a gzip bomb": gzip.compress(b"1,2,3\n" * 1_000_000),
    }
