// One job of the agent in a page: the browser's half of edgekit/agent, on the same jobs.

const PLATEAU = 0.02;
const STEPS = 50; // steps of the clock that a sample takes, at least
const BATCH = 256; // inferences between two looks at a clock that is too coarse for one
const WARMUP_RUNS = 3;
const ARRAYS = {
  float32: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};
const now = () => performance.now();

class JobError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

const job = await (await fetch("job.json")).json();
const result = { schema: job.schema, kind: job.kind, error: null };
try {
  Object.assign(result, await KINDS()[job.kind]());
} catch (error) {
  const kind = error.kind ?? "internal";
  result.error = { kind, message: String(error.message ?? error), where: error.kind ? undefined : String(error.stack) };
}
await post("result", JSON.stringify(result));

function KINDS() {
  return { bench, infer, microbenchmark, verify };
}

async function post(name, body) {
  await fetch(name, { method: "POST", body });
}

// --- models ---------------------------------------------------------------------------------

async function opened(adapter, address) {
  const [option] = Object.keys(job.options ?? {});
  if (option) throw new JobError("job_invalid", `The runtime of a page has no option '${option}'.`);
  const content = new Uint8Array(await (await fetch(address)).arrayBuffer());
  const files = new URL(job.assets, location.href).href;
  try {
    return await adapter.open(content, { files, threads: job.threads });
  } catch (error) {
    throw new JobError("model_unreadable", `${job.names[address]} is refused by the runtime (${error.message ?? error}).`);
  }
}

/** Seeded inputs: normal for floats, the whole range for 8 bits, 0 or 1 for wider integers. */
function drawn(inputs, seed) {
  const random = generator(seed);
  return inputs.map(({ shape, dtype }) => {
    const array = new ARRAYS[dtype](product(shape));
    for (let i = 0; i < array.length; i++) {
      if (dtype === "float32") array[i] = normal(random);
      else if (dtype === "int64") array[i] = BigInt(random() < 0.5 ? 0 : 1);
      else if (dtype === "int8") array[i] = Math.floor(random() * 256) - 128;
      else if (dtype === "uint8") array[i] = Math.floor(random() * 256);
      else array[i] = random() < 0.5 ? 0 : 1;
    }
    return array;
  });
}

function generator(seed) {
  let state = (seed + 0x9e3779b9) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

function normal(random) {
  return Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
}

function product(shape) {
  return shape.reduce((a, b) => a * b, 1);
}

async function invoked(session) {
  try {
    await session.invoke();
  } catch (error) {
    throw new JobError("inference_failed", String(error.message ?? error));
  }
}

// --- bench ----------------------------------------------------------------------------------

async function bench() {
  const { adapter, import_ms } = await imported();
  const loading = now();
  const session = await opened(adapter, job.path);
  const load_ms = now() - loading;
  session.prepare(drawn(session.inputs, job.seed ?? 0));
  const first = now();
  await invoked(session);
  const first_ms = now() - first;
  const timer_ms = resolution();
  const warmup = await warm(session);
  const runs = runsOfSample(warmup.median_ms, timer_ms);
  const { samples_ns, timed_s } = await sampled(session, runs);
  return {
    import_ms,
    load_ms,
    first_ms,
    warmup: { runs: warmup.runs, seconds: warmup.seconds, plateau: warmup.plateau },
    samples_ns,
    refused: null,
    instructions: null,
    summary: null,
    timed_s,
    cpu_s: null,
    complete: samples_ns.length >= (job.min_runs ?? 100),
    memory_before_load_mb: null,
    peak_memory_mb: null,
    peak_memory_method: "not read: what browsers report leaves the runtime's own memory out",
    pinned: null,
    timer_ns: timer_ms * 1e6,
    runs_per_sample: runs,
  };
}

async function imported() {
  const start = now();
  const adapter = await import("./adapter.js");
  return { adapter, import_ms: now() - start };
}

/** The smallest step of the clock, in milliseconds. */
function resolution() {
  let least = Infinity;
  for (let i = 0; i < 200; i++) {
    const start = now();
    let next = start;
    while (next === start) next = now();
    least = Math.min(least, next - start);
  }
  return least;
}

function runsOfSample(median_ms, timer_ms) {
  return Math.max(1, Math.ceil((STEPS * timer_ms) / Math.max(median_ms, timer_ms / BATCH)));
}

async function warm(session) {
  const [least, min_s, max_s] = [job.warmup_min_runs ?? 10, job.warmup_min_s ?? 2, job.warmup_max_s ?? 30];
  const window_ms = Math.min(0.5, min_s / 4) * 1e3;
  const start = now();
  let [runs, before, plateau, seconds] = [0, 0, false, 0];
  while (!(plateau && runs >= least && seconds >= min_s) && seconds < max_s) {
    const times = [];
    const end = now() + window_ms;
    do {
      const count = runsOfSample(before, 0.005);
      const begin = now();
      for (let i = 0; i < (before ? count : 1); i++) await invoked(session);
      times.push((now() - begin) / (before ? count : 1));
      runs += before ? count : 1;
    } while (now() < end);
    const found = median(times);
    plateau = Math.abs(found - before) <= PLATEAU * found;
    before = found;
    seconds = (now() - start) / 1e3;
  }
  return { runs, seconds, plateau, median_ms: before };
}

async function sampled(session, runs) {
  const [min_ms, max_ms] = [(job.min_s ?? 10) * 1e3, (job.max_s ?? 60) * 1e3];
  const samples_ns = [];
  const begin = now();
  for (;;) {
    const start = now();
    for (let i = 0; i < runs; i++) await session.invoke();
    const stop = now();
    samples_ns.push(Math.round(((stop - start) * 1e6) / runs));
    const elapsed = stop - begin;
    if ((elapsed >= min_ms && samples_ns.length >= (job.min_runs ?? 100)) || elapsed >= max_ms)
      return { samples_ns, timed_s: elapsed / 1e3 };
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// --- verify and infer -----------------------------------------------------------------------

async function verify() {
  const session = await opened((await imported()).adapter, job.path);
  session.prepare(drawn(session.inputs, 0));
  await invoked(session);
  await session.read();
  return { inputs: session.inputs, outputs: session.outputs };
}

async function infer() {
  const session = await opened((await imported()).adapter, job.path);
  const given = await Promise.all(job.arrays.map(readArray));
  const names = session.inputs.map((one) => one.name);
  const byName = given.length === names.length && given.every((one) => names.includes(one.name));
  const ordered = byName ? names.map((name) => given.find((one) => one.name === name)) : given;
  check(session.inputs, ordered);
  const count = ordered[0].shape[0];
  const order = outputOrder(session.outputs);
  const found = order.map(() => []);
  for (let number = 0; number < count; number++) {
    session.prepare(ordered.map(({ array }, i) => {
      const size = product(session.inputs[i].shape);
      return array.slice(number * size, (number + 1) * size);
    }));
    await invoked(session);
    const outputs = await session.read();
    order.forEach((place, i) => found[i].push(outputs[place]));
  }
  for (let i = 0; i < order.length; i++) await post(`outputs/${i}`, new Blob(found[i]));
  return {
    samples: count,
    outputs: order.map((place) => session.outputs[place]),
    outputs_order: order.map((place) => session.outputs[place].name),
  };
}

async function readArray({ address, name, dtype, shape }) {
  if (!(dtype in ARRAYS)) throw new JobError("inputs_invalid", `A page has no arrays of ${dtype}.`);
  const bytes = await (await fetch(address)).arrayBuffer();
  return { name, dtype, shape, array: new ARRAYS[dtype](bytes) };
}

function check(inputs, given) {
  if (inputs.length !== given.length)
    throw new JobError("inputs_invalid", `The model takes ${inputs.length} inputs, got ${given.length}.`);
  inputs.forEach(({ name, dtype, shape }, i) => {
    const { array, ...one } = given[i];
    if (one.dtype !== dtype || array.length !== product(shape) * one.shape[0])
      throw new JobError("inputs_invalid", `Input '${name}' takes ${dtype} [${shape}], got ${one.dtype} [${one.shape}] for ${one.shape[0]} samples.`);
  });
}

function outputOrder(outputs) {
  const known = outputs.map((one) => one.name);
  return (job.outputs_order ?? known).map((name) => {
    if (!known.includes(name)) throw new JobError("job_invalid", `The model has no output '${name}'. It has: ${known.join(", ")}.`);
    return known.indexOf(name);
  });
}

// --- microbenchmark -------------------------------------------------------------------------

async function microbenchmark() {
  const { adapter } = await imported();
  const rounds = job.models.map(() => []);
  const errors = job.models.map(() => null);
  const sessions = job.models.map(() => []);
  for (let number = 0; number < job.models.length; number++) {
    try {
      for (let i = 0; i < (job.sessions ?? 3); i++) sessions[number].push(await ready(adapter, job.models[number]));
    } catch (error) {
      errors[number] = String(error.message ?? error);
    }
  }
  const timer_ms = resolution();
  for (let turn = 0; turn < (job.rounds ?? 6); turn++) {
    const order = job.models.map((_, i) => i);
    for (const number of turn % 2 ? order.reverse() : order) {
      if (errors[number] !== null) continue;
      try {
        const session = sessions[number][turn % sessions[number].length];
        rounds[number].push(await round(session, timer_ms));
      } catch (error) {
        errors[number] = String(error.message ?? error);
      }
    }
  }
  const results = job.models.map((address, number) => ({
    path: job.names[address],
    us: errors[number] === null && rounds[number].length ? Math.min(...rounds[number]) : null,
    rounds_us: rounds[number],
    instructions: null,
    rounds_instructions: [],
    windows: [],
    error: errors[number],
  }));
  return { results, processor_fraction: null, meter: null, reason: "A page reads no meter.", timer_ns: timer_ms * 1e6 };
}

async function ready(adapter, address) {
  const session = await opened(adapter, address);
  session.prepare(drawn(session.inputs, job.seed ?? 0));
  for (let i = 0; i < WARMUP_RUNS; i++) await invoked(session);
  return session;
}

/** Microseconds of one inference in one round: the median over samples the clock can resolve. */
async function round(session, timer_ms) {
  const probe = now();
  await invoked(session); // the models before it have emptied the caches
  const runs = runsOfSample(now() - probe, timer_ms);
  const times = [];
  const end = now() + (job.min_round_ms ?? 5);
  while (times.length * runs < (job.min_round_runs ?? 5) || now() < end) {
    const start = now();
    for (let i = 0; i < runs; i++) await invoked(session);
    times.push((now() - start) / runs);
  }
  return median(times) * 1e3;
}
