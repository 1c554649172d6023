"""Nothing in, static/icon.png out: draws the page icon, so that its source is reviewable. Run once by hand."""

from pathlib import Path

from PIL import Image, ImageDraw

SIZE, SCALE = 64, 8
PATH = Path(__file__).parent / "static" / "icon.png"


def draw() -> Image.Image:
    """A rising line in white on a blue rounded square."""
    big = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(big)
    pen.rounded_rectangle((0, 0, SIZE * SCALE - 1, SIZE * SCALE - 1), radius=14 * SCALE, fill="#0B5FA5")
    points = [(11, 42), (23, 27), (34, 37), (46, 22)]
    line = [(x * SCALE, y * SCALE) for x, y in points]
    pen.line(line, fill="white", width=6 * SCALE, joint="curve")
    for x, y in line:
        pen.ellipse((x - 3 * SCALE, y - 3 * SCALE, x + 3 * SCALE, y + 3 * SCALE), fill="white")
    x, y = 53 * SCALE, 15 * SCALE
    pen.ellipse((x - 4 * SCALE, y - 4 * SCALE, x + 4 * SCALE, y + 4 * SCALE), fill="#F0A04B")
    return big.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw().save(PATH, optimize=True)
