// LiteRT.js as a session: see edgekit/runtimes/browser.py.
import * as litert from "@litertjs/core";

let loading = null;

/** Loads a model's bytes. `files` is the address of the folder with the compiled runtime. */
export async function open(content, { files, threads = 1, accelerator = "wasm" }) {
  const parallel = threads > 1 && globalThis.crossOriginIsolated === true;
  loading ??= litert.loadLiteRt(String(files), { threads: parallel });
  try {
    await loading;
  } catch (error) {
    loading = null; // another address may work
    throw error;
  }
  const cpuOptions = parallel ? { cpuOptions: { numThreads: threads } } : {};
  const model = await litert.loadAndCompile(content, { accelerator, ...cpuOptions });
  return new Session(model, accelerator);
}

class Session {
  constructor(model, accelerator) {
    this.model = model;
    this.accelerator = accelerator;
    this.inputs = model.getInputDetails().map(described);
    this.outputs = model.getOutputDetails().map(described);
    this.given = [];
    this.found = [];
  }

  prepare(arrays) {
    release(this.given);
    this.given = arrays.map(
      (array, number) => new litert.Tensor(array, this.inputs[number].shape),
    );
  }

  async invoke() {
    release(this.found);
    this.found = await this.model.run(this.given);
  }

  async read() {
    const copies = [];
    for (const tensor of this.found) copies.push((await tensor.data()).slice());
    return copies;
  }

  close() {
    release([...this.given, ...this.found]);
    this.given = this.found = [];
    this.model.delete();
  }
}

function described({ name, shape, dtype }) {
  return { name, shape: Array.from(shape), dtype };
}

function release(tensors) {
  for (const tensor of tensors) if (!tensor.deleted) tensor.delete();
}
