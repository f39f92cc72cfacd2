// From a detector's outputs to boxes: read in the steps of the contract, and the best of those
// that overlap kept.

/** Boxes x1, y1, x2, y2 in pixels of the input, with score and class, the highest score first. */
export function detections(how, parts) {
  const rows = table(how, parts);
  const places = grid(how);
  const scored = scores(how, rows);
  const found = [];
  rows.forEach((row, i) => {
    let box;
    scored[i].forEach((score, index) => {
      if (score < how.confidence) return;
      box ??= BOXES[how.box](row, places[i], how);
      found.push({ box, index, score });
    });
  });
  return best(found, how);
}

/** The numbers of each place, of outputs side by side. */
function table({ columns, channelsFirst }, parts) {
  const rows = parts[0].length / columns[0];
  const joined = Array.from({ length: rows }, (_, row) =>
    parts.flatMap((part, i) => [...part.subarray(row * columns[i], (row + 1) * columns[i])]),
  );
  return channelsFirst ? joined[0].map((_, place) => joined.map((row) => row[place])) : joined;
}

/** The cell or anchor of each place, level by level. */
function grid({ levels, offset, anchorsFirst }) {
  return levels.flatMap(({ rows, columns, stride, anchors }) => {
    const cells = Array.from({ length: rows * columns }, (_, i) => ({
      x: ((i % columns) + offset) * stride,
      y: (Math.floor(i / columns) + offset) * stride,
      stride,
    }));
    const anchored = ([width, height], cell) => ({ ...cell, width, height });
    if (!anchors.length) return cells;
    return anchorsFirst
      ? anchors.flatMap((one) => cells.map((cell) => anchored(one, cell)))
      : cells.flatMap((cell) => anchors.map((one) => anchored(one, cell)));
  });
}

const BOXES = {
  corners: (row, _, { unit: [x, y] }) => [row[0] * x, row[1] * y, row[2] * x, row[3] * y],
  centers: (row, _, { unit: [x, y] }) =>
    scaled(around(row[0], row[1], row[2], row[3]), [x, y, x, y]),
  sides: (row, at) => sides(at, row.slice(0, 4).map((side) => Math.max(side, 0) * at.stride)),
  distributions: (row, at, { bins }) =>
    sides(at, [0, 1, 2, 3].map((side) => mean(row.slice(side * bins, (side + 1) * bins)) * at.stride)),
  cells: (row, { x, y, stride }) =>
    around(x + row[2] * stride, y + row[3] * stride, row[0] * stride, row[1] * stride),
  offsets: (row, at, { variances }) => {
    const [x, y, width, height] = row.slice(0, 4).map((value, i) => value * variances[i]);
    const size = (value, side) => side * Math.exp(Math.min(value, 10));
    return around(at.x + x * at.width, at.y + y * at.height, size(width, at.width), size(height, at.height));
  },
  logits: (row, at) => {
    const [x, y, width, height] = row.slice(0, 4).map((value) => sigmoid(value) * 2);
    return around(
      at.x + (x - 1) * at.stride, at.y + (y - 1) * at.stride, width ** 2 * at.width, height ** 2 * at.height,
    );
  },
};

/** The scores of each place, without the background's. */
function scores(how, rows) {
  const { numbers, objectness, background } = how;
  const first = numbers + (objectness ? 1 : 0);
  const form = how.scores === "peaks" ? "sigmoid" : how.scores;
  const listed = how.classes ?? Math.max(0, ...rows.map((row) => Math.trunc(row[5]))) + 1;
  let found = rows.map((row) => {
    if (form === "listed") return at(listed, Math.trunc(row[5]), row[4]);
    const own = SCORES[form](row.slice(first));
    if (!objectness) return own;
    const [there] = SCORES[form](row.slice(numbers, first));
    return own.map((one) => (objectness === "root" ? Math.sqrt(there * one) : there * one));
  });
  if (how.scores === "peaks") found = peaks(found, how.levels[0]);
  return background === null ? found : found.map((row) => row.toSpliced(background, 1));
}

const SCORES = {
  probabilities: (row) => row,
  sigmoid: (row) => row.map(sigmoid),
  softmax: (row) => {
    const most = Math.max(...row);
    const powers = row.map((value) => Math.exp(value - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  },
};

function at(count, place, value) {
  const row = new Array(count).fill(0);
  if (place in row) row[place] = value;
  return row;
}

/** A heatmap where the highest of their 3x3 neighbors alone remain. */
function peaks(heat, { rows, columns }) {
  return heat.map((row, i) => {
    const [y, x] = [Math.floor(i / columns), i % columns];
    return row.map((value, index) => {
      for (let v = Math.max(0, y - 1); v <= Math.min(rows - 1, y + 1); v++)
        for (let u = Math.max(0, x - 1); u <= Math.min(columns - 1, x + 1); u++)
          if (heat[v * columns + u][index] > value) return 0;
      return value;
    });
  });
}

/** Non-maximum suppression within each class, by decreasing score; 1 suppresses nothing. */
function best(found, { candidates, overlap, most }) {
  const span = found.reduce((a, { box }) => Math.max(a, ...box.map(Math.abs)), 0) * 2 + 1;
  let left = found
    .toSorted((a, b) => b.score - a.score)
    .slice(0, candidates)
    .map((one) => ({ one, apart: one.box.map((side) => side + span * one.index) }));
  const kept = [];
  while (left.length && kept.length < most) {
    const [{ one, apart }, ...others] = left;
    kept.push(one);
    left = overlap < 1 ? others.filter((other) => shared(apart, other.apart) <= overlap) : others;
  }
  return kept;
}

/** Intersection over union of two boxes. */
function shared(a, b) {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const both = width * height;
  const areas = (b[2] - b[0]) * (b[3] - b[1]) + (a[2] - a[0]) * (a[3] - a[1]);
  return both / Math.max(areas - both, 1e-12);
}

function around(x, y, width, height) {
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
}

/** Corners by the distances (left, top, right, bottom) from a place. */
function sides({ x, y }, [left, top, right, bottom]) {
  return [x - left, y - top, x + right, y + bottom];
}

/** The mean of a distribution over 0, 1, 2, ... that is given by logits. */
function mean(logits) {
  return SCORES.softmax(logits).reduce((sum, weight, bin) => sum + weight * bin, 0);
}

function scaled(values, factors) {
  return values.map((value, i) => value * factors[i]);
}

function sigmoid(x) {
  return 0.5 + 0.5 * Math.tanh(x / 2);
}
