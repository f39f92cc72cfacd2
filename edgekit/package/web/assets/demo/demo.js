// The demo page: a sample is picked or typed, and the answer is shown with its time.
import { contract, load } from "../index.js";
import { pictured } from "../picture.js";

const find = (selector) => document.querySelector(selector);
const [state, button, answer, canvas] = ["#state", "button", "#answer", "canvas"].map(find);
const picked = find("#picture input");
const image = contract.inputs.length === 1 && contract.inputs[0].image;

document.title = find("#name").textContent = contract.name;
find("#about").textContent =
  `${contract.task}, ${contract.precision}, ${(contract.model.bytes / 1024).toFixed(0)} KiB, ` +
  `on ${contract.runtime}`;
find("#picture").hidden = !image;

/** A field for each input: a text, or its numbers. */
function fields() {
  if (contract.text) return contract.text.pair ? ["first text", "second text"] : ["text"];
  return contract.inputs.map((one) => one.name);
}

for (const name of fields()) {
  const field = document.createElement("textarea");
  field.rows = contract.text ? 2 : 4;
  field.placeholder = contract.text ? name : `${name}: numbers`;
  find("#fields").append(field);
}

function sample() {
  if (image && picked.files.length) return picked.files[0];
  const typed = [...document.querySelectorAll("textarea")].map((field) => field.value);
  if (contract.text) return contract.text.pair ? typed : typed[0];
  const numbers = typed.map((text) => text.split(/[\s,]+/).filter(Boolean).map(Number));
  if (numbers.length === 1) return numbers[0];
  return Object.fromEntries(contract.inputs.map((one, i) => [one.name, numbers[i]]));
}

function line(text) {
  const shown = document.createElement("pre");
  shown.textContent = text;
  return shown;
}

function bars(scores) {
  const best = Object.entries(scores).sort((a, b) => b[1] - a[1]).slice(0, 10);
  return best.map(([label, score]) => {
    const bar = document.createElement("div");
    bar.className = "bar";
    const name = document.createElement("span");
    const value = document.createElement("i");
    const number = document.createElement("b");
    name.textContent = label;
    value.style.width = `${(100 * score).toFixed(1)}%`;
    number.textContent = score.toFixed(3);
    bar.append(name, value, number);
    return bar;
  });
}

/** The classes of places as a picture, each in a color of its own. */
function drawn({ classes, shape: [height, width] }) {
  canvas.hidden = false;
  [canvas.width, canvas.height] = [width, height];
  canvas.style.width = `${Math.max(256, width)}px`;
  const context = canvas.getContext("2d");
  classes.forEach((one, i) => {
    context.fillStyle = `hsl(${(one * 137.5) % 360} 70% ${one ? 50 : 92}%)`;
    context.fillRect(i % width, Math.floor(i / width), 1, 1);
  });
}

/** A picture with the boxes that were found in it, each in its class's color. */
async function boxed(file, boxes) {
  const picture = await pictured(file);
  const zoom = Math.max(1, 640 / picture.width);
  canvas.hidden = false;
  [canvas.width, canvas.height] = [zoom * picture.width, zoom * picture.height];
  const context = canvas.getContext("2d");
  context.drawImage(await createImageBitmap(picture), 0, 0, canvas.width, canvas.height);
  const height = canvas.width / 32;
  context.font = `${0.75 * height}px system-ui, sans-serif`;
  context.lineWidth = height / 10;
  const marks = boxes.map((one) => ({
    name: `${one.label} ${one.score.toFixed(2)}`,
    color: `hsl(${(200 + one.index * 137.5) % 360} 75% 32%)`,
    corners: one.box.map((side) => zoom * side),
  }));
  for (const { color, corners: [left, top, right, bottom] } of marks) {
    context.strokeStyle = color;
    context.strokeRect(left, top, right - left, bottom - top);
  }
  for (const { name, color, corners: [left, top] } of marks) {
    const above = Math.max(0, top - height);
    context.fillStyle = color;
    context.fillRect(left, above, context.measureText(name).width + height / 2, height);
    context.fillStyle = "white";
    context.fillText(name, left + height / 4, above + 0.78 * height);
  }
}

async function show(found) {
  answer.replaceChildren();
  canvas.hidden = true;
  if (found.label !== undefined) answer.append(line(found.label));
  if (found.scores) answer.append(...bars(found.scores));
  else if (found.classes && found.shape.length === 2) drawn(found);
  else if (found.classes) answer.append(line([...found.classes].map((i) => contract.labels?.[i] ?? i).join(" ")));
  else if (found.boxes) {
    if (contract.decoder && picked.files.length) await boxed(picked.files[0], found.boxes);
    const best = [...found.boxes].sort((a, b) => b.score - a.score).slice(0, 10);
    answer.append(line(best.map((one) => `${one.label} ${one.score.toFixed(3)} [${one.box.map((v) => v.toFixed(2)).join(", ")}]`).join("\n")));
  } else if (found.label === undefined)
    answer.append(line(Object.entries(found.outputs).map(([name, values]) => `${name}: ${[...values.slice(0, 64)].map((v) => v.toPrecision(5)).join(" ")}`).join("\n")));
}

try {
  const model = await load();
  state.textContent = "Ready.";
  button.disabled = false;
  button.onclick = async () => {
    const start = performance.now();
    try {
      const found = await model.run(sample());
      state.textContent = `${(performance.now() - start).toFixed(1)} ms with preprocessing, once.`;
      await show(found);
    } catch (error) {
      state.textContent = error.message;
    }
  };
  picked.onchange = () => button.click();
} catch (error) {
  state.textContent = error.message;
}
