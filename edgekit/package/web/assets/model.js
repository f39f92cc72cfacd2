// A loaded model: samples in, answers out, as the contract has it.
import { pictured } from "./picture.js";
import { answer } from "./postprocess.js";
import { back, channelsLast, normalize, pixels, placement, real, stored } from "./preprocess.js";

/** Everything that goes wrong on purpose: `code` is "input", "files" or "runtime". */
export class ModelError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "ModelError";
    this.code = code;
  }
}

/** Loads the files of the contract with a runtime's adapter; see `load` in `index.d.ts`. */
export async function open(contract, adapter, addresses, options = {}) {
  const { threads = 1, accelerator = contract.accelerators[0] } = options;
  if (!contract.accelerators.includes(accelerator))
    throw new ModelError("runtime", `No accelerator "${accelerator}". Known: ${contract.accelerators.join(", ")}.`);
  const content = await fetched(options.model ?? addresses.model, contract.model);
  const files = folder(options.runtimeFiles ?? addresses.runtimeFiles);
  const encoder = contract.text ? await encoderOf(contract, options, addresses) : null;
  let session;
  try {
    session = await adapter.open(content, { files, threads, accelerator });
  } catch (error) {
    throw new ModelError("runtime", `The runtime cannot load the model from ${files}: ${error.message ?? error}`, { cause: error });
  }
  return new Model(contract, session, encoder);
}

class Model {
  constructor(contract, session, encoder) {
    this.contract = contract;
    this.session = session;
    this.encoder = encoder;
    this.turn = Promise.resolve();
  }

  /** The answer to one sample. Calls take turns. */
  async run(sample) {
    const picture = this.contract.decoder ? await read(() => pictured(sample)) : null;
    const inputs = await this.prepared(picture ?? sample);
    const found = answer(this.contract, await this.infer(inputs));
    return picture ? this.within(picture, found) : found;
  }

  /** The same boxes in the pixels of the picture. */
  within(picture, found) {
    const [{ network, preprocessing }] = this.contract.inputs;
    const place = placement(picture, network, preprocessing.fit);
    return { ...found, boxes: found.boxes.map((one) => ({ ...one, box: back(one.box, place) })) };
  }

  /** What a sample becomes before the model: numbers for each input by name. */
  prepared(sample) {
    return read(async () => {
      if (this.encoder) return this.encoded(sample);
      const [first, ...others] = this.contract.inputs;
      if (!others.length) return { [first.name]: await this.numbers(sample, first) };
      const pairs = this.contract.inputs.map(async (one) => {
        if (!(one.name in Object(sample)))
          throw new ModelError("input", `The sample has no "${one.name}".`);
        return [one.name, await this.numbers(sample[one.name], one)];
      });
      return Object.fromEntries(await Promise.all(pairs));
    });
  }

  async infer(prepared) {
    const { inputs, outputs } = this.contract;
    const arrays = inputs.map((one) => {
      const values = prepared[one.name];
      const turned = one.channelsLast ? channelsLast(values, one.network[0]) : values;
      return stored(turned, one);
    });
    const found = await this.inTurn(arrays);
    return Object.fromEntries(
      outputs.map((one, number) => {
        const values = real(found[number], one);
        if (!values.every(Number.isFinite))
          throw new ModelError("runtime", `The output "${one.name}" holds NaN or infinity.`);
        return [one.name, { values, shape: one.shape }];
      }),
    );
  }

  /** One inference on what the model stores: an array for each input and output, in order. */
  inTurn(arrays) {
    const order = orderOf(this.contract.inputs, this.session.inputs);
    const back = orderOf(this.session.outputs, this.contract.outputs);
    const done = this.turn.then(async () => {
      this.session.prepare(order.map((number) => arrays[number]));
      await this.session.invoke();
      const found = await this.session.read();
      return back.map((number) => found[number]);
    });
    this.turn = done.catch(() => {});
    return done;
  }

  async close() {
    await this.turn;
    await this.session.close();
  }

  encoded(sample) {
    const { pair } = this.contract.text;
    const texts = Array.isArray(sample) ? sample : [sample];
    if (texts.length !== (pair ? 2 : 1) || texts.some((text) => typeof text !== "string"))
      throw new ModelError("input", `The model takes ${pair ? "two texts" : "one text"} a sample.`);
    return this.encoder.encode(...texts);
  }

  async numbers(sample, input) {
    const raw = await rawOf(sample, input);
    const expected = input.network.reduce((a, b) => a * b, 1);
    if (raw.length !== expected)
      throw new ModelError("input", `"${input.name}" takes ${expected} numbers (${input.network.join(" x ")}), got ${raw.length}.`);
    const how = input.preprocessing;
    const values = how ? normalize(raw, input.network[0], how) : Float32Array.from(raw, Number);
    if (!values.every(Number.isFinite))
      throw new ModelError("input", `"${input.name}" holds a number that is not finite.`);
    return values;
  }
}

/** What `step` makes of a sample; raises ModelError where it cannot. */
async function read(step) {
  try {
    return await step();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError("input", `Cannot read the sample: ${error.message}`, { cause: error });
  }
}

/** For each of `wanted`, its place in `there`: by name where all are found, else in order. */
function orderOf(there, wanted) {
  const names = there.map((one) => one.name);
  const known = wanted.every((one) => names.includes(one.name));
  return wanted.map((one, number) => (known ? names.indexOf(one.name) : number));
}

async function rawOf(sample, input) {
  if (ArrayBuffer.isView(sample)) return sample;
  if (Array.isArray(sample)) {
    const other = sample.find((value) => typeof value !== "number");
    if (other === undefined) return sample;
    throw new ModelError("input", `"${input.name}" takes numbers in one flat array, and ${JSON.stringify(other)} is none.`);
  }
  const image = await pictured(sample);
  if (image === null)
    throw new ModelError("input", `"${input.name}" takes ${input.image ? "an image or " : ""}an array of numbers.`);
  if (!input.image)
    throw new ModelError("input", `An image does not fit "${input.name}": give an array of numbers.`);
  return pixels(image, input.network, input.preprocessing);
}

/** The bytes at an address, whose hash is that of the contract. */
async function fetched(address, { integrity }) {
  try {
    const reply = await fetch(address, { integrity });
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    return new Uint8Array(await reply.arrayBuffer());
  } catch (error) {
    throw new ModelError("files", `Cannot load ${address}, or it is not the file of this package: ${error.message}`, { cause: error });
  }
}

async function encoderOf(contract, options, addresses) {
  const bytes = await fetched(options.tokenizer ?? addresses.tokenizer, contract.text);
  const { Encoder } = await import("./text.js");
  try {
    const encoder = new Encoder(JSON.parse(new TextDecoder().decode(bytes)), contract.text);
    encoder.check();
    return encoder;
  } catch (error) {
    throw new ModelError("runtime", `The tokenizer does not work here: ${error.message}`, { cause: error });
  }
}

function folder(address) {
  const text = typeof address === "function" ? address() : address;
  if (!text)
    throw new ModelError("files", "Give `runtimeFiles`: the address of the folder with the runtime's .wasm files.");
  const absolute = new URL(String(text), globalThis.location?.href ?? import.meta.url).href;
  return absolute.endsWith("/") ? absolute : `${absolute}/`;
}
