"""Tables that scripts make, to train on: numbers, categories, booleans and missing values."""

from pathlib import Path

import numpy as np


def houses(path: Path, rows: int = 400, seed: int = 0) -> Path:
    """Prices of houses: two numbers, one of them missing here and there, a category that is too, and a boolean."""
    drawn = np.random.default_rng(seed)
    area = drawn.normal(100, 30, rows).clip(20).round(1)
    rooms = drawn.integers(1, 8, rows)
    city = drawn.choice(["Oslo", "Bergen", "Ås"], rows, p=[0.5, 0.3, 0.2])
    sea_view = drawn.random(rows) > 0.6
    heating = drawn.choice([1, 2, 3], rows)
    noise = drawn.normal(0, 15, rows)
    price = area * 3 + rooms * 5 + np.select([city == "Oslo", city == "Bergen"], [120, 60], 0) + sea_view * 40 + noise
    lines = ["Area m2,rooms,city,sea_view,heating,price"]
    for place in range(rows):
        known_area = "" if place % 11 == 3 else area[place]
        known_city = "" if place % 17 == 5 else city[place]
        lines.append(
            f"{known_area},{rooms[place]},{known_city},{sea_view[place]},{heating[place]},{price[place] + 200:.0f}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
