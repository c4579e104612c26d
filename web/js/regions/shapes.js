/** Shapes on a canvas that is 1 wide and 1 high: what lies in them, and what moves and resizes them. */
const LEAST = 0.01;         // of a side

const clamp = (number, low = 0, high = 1) => Math.min(high, Math.max(low, number));

/** [[x, y], ...] of a brush. */
export function pointsOf({numbers}) {
    const points = [];
    for (let i = 1; i < numbers.length; i += 2) points.push([numbers[i], numbers[i + 1]]);
    return points;
}

/** The square of the distance from (x, y) to the line through points. */
function distance(x, y, points) {
    let nearest = Infinity;
    for (const [i, [ax, ay]] of points.entries()) {
        const [bx, by] = points[Math.min(i + 1, points.length - 1)], dx = bx - ax, dy = by - ay;
        const length = dx * dx + dy * dy;
        const along = length ? clamp(((x - ax) * dx + (y - ay) * dy) / length) : 0;
        const rx = x - (ax + along * dx), ry = y - (ay + along * dy);
        nearest = Math.min(nearest, rx * rx + ry * ry);
    }
    return nearest;
}

/** A function of (x, y) that says whether a point is in a shape. width, height: the canvas's, in any unit. */
export function insideOf(shape, width, height) {
    const {kind, numbers: [a, b, c, d]} = shape;
    if (kind === "box") return (x, y) => a <= x && x < c && b <= y && y < d;
    if (kind === "ellipse") return (x, y) => ((x - a) / c) ** 2 + ((y - b) / d) ** 2 <= 1;
    const side = Math.min(width, height), across = width / side, down = height / side;
    const points = pointsOf(shape).map(([x, y]) => [x * across, y * down]);
    return (x, y) => distance(x * across, y * down, points) <= a * a;
}

/** [left, top, right, bottom] around a shape; it may reach beyond the canvas. */
export function boundsOf(shape, width, height) {
    const {kind, numbers: [a, b, c, d]} = shape;
    if (kind === "box") return [a, b, c, d];
    if (kind === "ellipse") return [a - c, b - d, a + c, b + d];
    const side = Math.min(width, height), across = a * side / width, down = a * side / height;
    const xs = pointsOf(shape).map(([x]) => x), ys = pointsOf(shape).map(([, y]) => y);
    return [Math.min(...xs) - across, Math.min(...ys) - down, Math.max(...xs) + across, Math.max(...ys) + down];
}

/** A shape moved by (dx, dy), as far as its box, its middle or its points stay on the canvas. */
export function moved(shape, dx, dy) {
    const {kind, numbers} = shape, isBrush = kind === "brush" || kind === "erase";
    const places = {box: [0, 1, 2, 3], ellipse: [0, 1]}[kind] ?? [...numbers.keys()].slice(1);
    const isX = place => (isBrush ? place % 2 === 1 : place % 2 === 0);
    const within = (by, fits) => {
        const own = places.filter(fits).map(place => numbers[place]);
        return clamp(by, -Math.min(...own), 1 - Math.max(...own));
    };
    const x = within(dx, isX), y = within(dy, place => !isX(place));
    const changed = numbers.map((number, place) => (places.includes(place) ? number + (isX(place) ? x : y) : number));
    return {...shape, numbers: changed};
}

/** A box or ellipse from corner to corner, each [x, y] in any order; of LEAST at least. */
export function spanned(shape, [ax, ay], [bx, by]) {
    const [left, right] = [clamp(Math.min(ax, bx)), clamp(Math.max(ax, bx, Math.min(ax, bx) + LEAST))];
    const [top, bottom] = [clamp(Math.min(ay, by)), clamp(Math.max(ay, by, Math.min(ay, by) + LEAST))];
    const box = [Math.min(left, 1 - LEAST), Math.min(top, 1 - LEAST), Math.max(right, LEAST), Math.max(bottom, LEAST)];
    if (shape.kind === "box") return {...shape, numbers: box};
    const numbers = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0]) / 2, (box[3] - box[1]) / 2];
    return {...shape, numbers};
}

/** A shape whose right and lower border move by (dx, dy); of a brush the radius changes. */
export function resized(shape, dx, dy, width, height) {
    if (shape.kind === "box" || shape.kind === "ellipse") {
        const [left, top, right, bottom] = boundsOf(shape, width, height);
        return spanned(shape, [left, top], [Math.max(left + LEAST, right + dx), Math.max(top + LEAST, bottom + dy)]);
    }
    const [radius, ...points] = shape.numbers;
    return {...shape, numbers: [clamp(radius + (dx || -dy) / 2, LEAST / 2), ...points]};
}

/** A stroke without points that change nothing: the line through the rest misses none by more than `tolerance`. */
export function thinned(points, tolerance) {
    const last = points.length - 1;
    let worst = 0, at = 0;
    for (let i = 1; i < last; i++) {
        const off = Math.sqrt(distance(points[i][0], points[i][1], [points[0], points[last]]));
        if (off > worst) [worst, at] = [off, i];
    }
    if (last < 1) return points;
    if (worst <= tolerance) return [points[0], points[last]];
    return [...thinned(points.slice(0, at + 1), tolerance), ...thinned(points.slice(at), tolerance).slice(1)];
}
