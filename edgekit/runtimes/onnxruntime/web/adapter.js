// ONNX Runtime Web as a session: see edgekit/runtimes/browser.py.
import * as ort from "onnxruntime-web/wasm";

/** Loads a model's bytes. `files` is the address of the folder with the compiled runtime. */
export async function open(content, { files, threads = 1 }) {
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated === true ? threads : 1;
  ort.env.wasm.wasmPaths = String(files);
  return new Session(await ort.InferenceSession.create(content));
}

class Session {
  constructor(session) {
    this.session = session;
    this.inputs = session.inputMetadata.map(described);
    this.outputs = session.outputMetadata.map(described);
    this.given = {};
    this.found = {};
  }

  prepare(arrays) {
    arrays.forEach((array, number) => {
      const { name, shape, dtype } = this.inputs[number];
      this.given[name] = new ort.Tensor(dtype, array, shape);
    });
  }

  async invoke() {
    this.found = await this.session.run(this.given);
  }

  async read() {
    return this.outputs.map(({ name }) => this.found[name].data.slice());
  }

  close() {
    return this.session.release();
  }
}

function described({ name, shape, type }) {
  return { name, shape: shape.map((size) => (Number.isInteger(size) ? size : 1)), dtype: type };
}
