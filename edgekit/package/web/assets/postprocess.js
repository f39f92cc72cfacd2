// From the model's outputs to labels, classes of places, or boxes.
import { detections } from "./boxes.js";

/** Probabilities of one row of scores, in double precision. */
export function softmax(scores) {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Array.from(scores, (score) => Math.exp(score - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The answer to a sample, as the contract's `form` has it, from its outputs by name. */
export function answer(contract, outputs) {
  const reads = contract.reads.length ? contract.reads : Object.keys(outputs).slice(0, 1);
  const whole = { outputs: values(outputs) };
  if (contract.form === "label") return { ...label(contract, outputs[reads[0]]), ...whole };
  if (contract.form === "classes") return { ...classes(contract, outputs[reads[0]]), ...whole };
  if (contract.form === "boxes") {
    const parts = reads.map((name) => outputs[name]);
    return { boxes: contract.decoder ? decoded(contract, parts) : boxes(contract, parts), ...whole };
  }
  return whole;
}

function values(outputs) {
  return Object.fromEntries(Object.entries(outputs).map(([name, one]) => [name, one.values]));
}

function name(contract, index) {
  return contract.labels?.[index] ?? String(index);
}

function label(contract, { values }) {
  if (contract.postprocess === "argmax") return { label: name(contract, values[0]) };
  const scores = contract.postprocess === "softmax" ? Array.from(values) : softmax(values);
  const index = highest(values, 0, 1, values.length);
  const named = Object.fromEntries(scores.map((score, i) => [name(contract, i), score]));
  return { label: name(contract, index), score: scores[index], scores: named };
}

/** The class of each place, in the shape of the output without the classes. */
function classes(contract, { values, shape }) {
  const axis = contract.axis < 0 ? shape.length + contract.axis : contract.axis;
  if (contract.postprocess === "argmax")
    return { classes: Int32Array.from(values), shape: shape.slice(1) };
  const count = shape[axis];
  const step = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const found = new Int32Array(values.length / count);
  for (let i = 0; i < found.length; i++) {
    const first = Math.floor(i / step) * step * count + (i % step);
    found[i] = highest(values, first, step, count);
  }
  return { classes: found, shape: shape.slice(1).filter((_, i) => i + 1 !== axis) };
}

/** The boxes that are there, the surest first. */
function decoded(contract, parts) {
  const found = detections(contract.decoder, parts.map((part) => part.values));
  return found.map((one) => ({ ...one, label: name(contract, one.index) }));
}

/** Every box with its likeliest class; units and the scores' scale are the model's own. */
function boxes(contract, parts) {
  const [first, second] = parts;
  const width = first.shape.at(-1);
  const scores = second ?? first;
  const skip = second ? 0 : 4;
  const count = scores.shape.at(-1) - skip;
  const found = [];
  for (let i = 0; i < first.values.length / width; i++) {
    const start = i * scores.shape.at(-1) + skip;
    const index = highest(scores.values, start, 1, count);
    const box = Array.from(first.values.slice(i * width, i * width + 4));
    found.push({ box, index, label: name(contract, index), score: scores.values[start + index] });
  }
  return found;
}

function highest(values, first, step, count) {
  let best = 0;
  for (let i = 1; i < count; i++)
    if (values[first + i * step] > values[first + best * step]) best = i;
  return best;
}
