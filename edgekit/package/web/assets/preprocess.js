// From a sample to the numbers that the model takes, bit for bit as in training.

const PRECISION = 22; // bits after the point of Pillow's weights

const LETTERBOX = 114; // gray around a letterboxed image

/** Values of an image (channels, height, width), converted and then fitted into the size. */
export function pixels(image, shape, { color, resize, fit }) {
  const [channels, height, width] = shape;
  const order = color ?? (channels === 1 ? "gray" : "rgb");
  const planes = order === "gray" ? [gray(image)] : rgb(image, order === "bgr");
  const size = width * height;
  const values = new Float32Array(planes.length * size);
  const place = placement(image, shape, fit);
  planes.forEach((plane, number) => {
    const stretched = stretch(plane, image.width, image.height, place.width, place.height, resize);
    values.set(framed(stretched, place, width, height), number * size);
  });
  return values;
}

/** Where an image lies in the input: `x * scale + offset`, for its pixels' [x, y]. */
export function placement(image, [, height, width], fit) {
  if (fit !== "letterbox") {
    return { width, height, scale: [width / image.width, height / image.height], offset: [0, 0] };
  }
  const ratio = Math.min(width / image.width, height / image.height);
  const across = Math.max(1, even(image.width * ratio));
  const down = Math.max(1, even(image.height * ratio));
  return {
    width: across,
    height: down,
    scale: [across / image.width, down / image.height],
    offset: [Math.floor((width - across) / 2), Math.floor((height - down) / 2)],
  };
}

/** Corners x1, y1, x2, y2 in the image's own pixels, of those in the input. */
export function back(box, { scale, offset }) {
  return box.map((value, side) => (value - offset[side % 2]) / scale[side % 2]);
}

/** A plane in gray of the input's size, where it is smaller. */
function framed(plane, { width, height, offset: [left, top] }, toWidth, toHeight) {
  if (width === toWidth && height === toHeight) return plane;
  const found = new Uint8Array(toWidth * toHeight).fill(LETTERBOX);
  for (let y = 0; y < height; y++)
    found.set(plane.subarray(y * width, (y + 1) * width), (y + top) * toWidth + left);
  return found;
}

/** `(value / scale - mean) / std` by channel, each step rounded to 32 bits. */
export function normalize(values, channels, { scale, mean, std }) {
  const round = Math.fround;
  const size = values.length / channels;
  const found = new Float32Array(values.length);
  const divisor = round(scale);
  for (let i = 0; i < values.length; i++) {
    const channel = Math.floor(i / size);
    const center = round(mean[mean.length === 1 ? 0 : channel]);
    const spread = round(std[std.length === 1 ? 0 : channel]);
    found[i] = round(round(round(round(values[i]) / divisor) - center) / spread);
  }
  return found;
}

/** Numbers (channels, ...) with the channels last, for a model that takes them so. */
export function channelsLast(values, channels) {
  const size = values.length / channels;
  const found = new values.constructor(values.length);
  for (let channel = 0; channel < channels; channel++)
    for (let place = 0; place < size; place++)
      found[place * channels + channel] = values[channel * size + place];
  return found;
}

/** Real numbers as a tensor stores them: `value / scale + zero_point`, rounded half to even. */
export function stored(values, { dtype, quantization }) {
  const type = ARRAYS[dtype];
  if (dtype === "int64") return BigInt64Array.from(values, (v) => BigInt(Math.trunc(Number(v))));
  if (!quantization) return dtype === "float32" ? Float32Array.from(values) : whole(values, dtype);
  const [least, most] = LIMITS[dtype];
  const scale = Math.fround(quantization.scale);
  const found = new type(values.length);
  for (let i = 0; i < values.length; i++) {
    const steps = even(Math.fround(values[i] / scale)) + quantization.zero_point;
    found[i] = Math.min(most, Math.max(least, steps));
  }
  return found;
}

/** What a tensor stores as real numbers. */
export function real(values, { quantization }) {
  const found = Float32Array.from(values, Number);
  if (!quantization) return found;
  const scale = Math.fround(quantization.scale);
  for (let i = 0; i < found.length; i++)
    found[i] = Math.fround(Math.fround(found[i] - quantization.zero_point) * scale);
  return found;
}

const ARRAYS = {
  float32: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};
const LIMITS = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int8: [-128, 127],
  uint8: [0, 255],
  bool: [0, 1],
};

function whole(values, dtype) {
  const [least, most] = LIMITS[dtype];
  const found = new ARRAYS[dtype](values.length);
  for (let i = 0; i < values.length; i++) {
    if (values[i] < least || values[i] > most)
      throw new RangeError(`${values[i]} is not in the range of ${dtype}, ${least} to ${most}`);
    found[i] = Math.trunc(values[i]);
  }
  return found;
}

function even(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

function gray({ data, width, height }) {
  const plane = new Uint8Array(width * height);
  for (let i = 0; i < plane.length; i++)
    plane[i] = (data[4 * i] * 19595 + data[4 * i + 1] * 38470 + data[4 * i + 2] * 7471 + 0x8000) >> 16;
  return plane;
}

function rgb({ data, width, height }, reversed) {
  const planes = [0, 1, 2].map((channel) => {
    const plane = new Uint8Array(width * height);
    for (let i = 0; i < plane.length; i++) plane[i] = data[4 * i + channel];
    return plane;
  });
  return reversed ? planes.reverse() : planes;
}

/** One channel in another size, by the arithmetic of Pillow 13, whose order of steps counts. */
function stretch(plane, width, height, toWidth, toHeight, kernel) {
  if (width === toWidth && height === toHeight) return plane;
  if (kernel === "nearest") return nearest(plane, width, height, toWidth, toHeight);
  const [less, narrower] = [height - toHeight, width - toWidth];
  if (less > 0 && less > 2 * narrower) {
    const low = down(plane, width, toHeight, height, kernel);
    return across(low, width, toHeight, toWidth, kernel);
  }
  const narrow = across(plane, width, height, toWidth, kernel);
  return down(narrow, toWidth, toHeight, height, kernel);
}

function nearest(plane, width, height, toWidth, toHeight) {
  const columns = places(width, toWidth);
  const rows = places(height, toHeight);
  const found = new Uint8Array(toWidth * toHeight);
  for (let y = 0; y < toHeight; y++)
    for (let x = 0; x < toWidth; x++) found[y * toWidth + x] = plane[rows[y] * width + columns[x]];
  return found;
}

function places(from, to) {
  const step = from / to;
  const found = new Int32Array(to);
  let at = step * 0.5;
  for (let i = 0; i < to; i++, at += step) found[i] = Math.min(from - 1, Math.trunc(at));
  return found;
}

function across(plane, width, height, toWidth, kernel) {
  if (width === toWidth) return plane;
  const weights = weighted(width, toWidth, kernel);
  const found = new Uint8Array(toWidth * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < toWidth; x++) {
      const { first, factors } = weights[x];
      let sum = 1 << (PRECISION - 1);
      for (let i = 0; i < factors.length; i++) sum += plane[y * width + first + i] * factors[i];
      found[y * toWidth + x] = clipped(sum);
    }
  return found;
}

function down(plane, width, toHeight, height, kernel) {
  if (height === toHeight) return plane;
  const weights = weighted(height, toHeight, kernel);
  const found = new Uint8Array(width * toHeight);
  for (let y = 0; y < toHeight; y++) {
    const { first, factors } = weights[y];
    for (let x = 0; x < width; x++) {
      let sum = 1 << (PRECISION - 1);
      for (let i = 0; i < factors.length; i++) sum += plane[(first + i) * width + x] * factors[i];
      found[y * width + x] = clipped(sum);
    }
  }
  return found;
}

function clipped(sum) {
  return Math.min(255, Math.max(0, sum >> PRECISION));
}

/** For each place of the result: the first place that it is made of, and fixed-point factors. */
function weighted(from, to, kernel) {
  const { support, weight } = KERNELS[kernel];
  const scale = from / to;
  const spread = Math.max(scale, 1);
  const reach = support * spread;
  const found = [];
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const count = Math.min(from, Math.trunc(center + reach + 0.5)) - first;
    const factors = [];
    let sum = 0;
    for (let x = 0; x < count; x++) {
      factors.push(weight((x + first - center + 0.5) * (1 / spread)));
      sum += factors[x];
    }
    for (let x = 0; x < count; x++) {
      const factor = (sum === 0 ? factors[x] : factors[x] / sum) * 2 ** PRECISION;
      factors[x] = Math.trunc(factor < 0 ? factor - 0.5 : factor + 0.5);
    }
    found.push({ first, factors });
  }
  return found;
}

const KERNELS = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: cubic },
};

function cubic(signed) {
  const a = -0.5;
  const x = Math.abs(signed);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
