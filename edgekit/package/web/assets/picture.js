// From a picture of any kind to its pixels, as stored: neither turned nor in another color space.

/** Pixels as RGBA of 8 bits; `null` for what is no picture. */
export async function pictured(sample) {
  if (sample?.data instanceof Uint8ClampedArray && sample.width && sample.height) return sample;
  if (typeof createImageBitmap !== "function") return null;
  const drawn = sample instanceof Blob ? await decoded(sample) : sample;
  const width = drawn?.naturalWidth ?? drawn?.videoWidth ?? drawn?.width;
  const height = drawn?.naturalHeight ?? drawn?.videoHeight ?? drawn?.height;
  if (!(width > 0 && height > 0)) return null;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(drawn, 0, 0);
  return context.getImageData(0, 0, width, height);
}

async function decoded(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const upright = new Blob(unturned(bytes), { type: blob.type });
  return createImageBitmap(upright, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

/** The parts of a JPEG's or PNG's file without the EXIF data that browsers turn pictures by. */
export function unturned(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(bytes);
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return png(bytes);
  return [bytes];
}

function jpeg(bytes) {
  const parts = [bytes.subarray(0, 2)];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const kind = bytes[at + 1];
    if (kind === 0xda) break; // pixels until the end
    const next = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    if (kind !== 0xe1) parts.push(bytes.subarray(at, next));
    at = next;
  }
  return [...parts, bytes.subarray(at)];
}

function png(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts = [bytes.subarray(0, 8)];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const next = at + 12 + view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind !== "eXIf") parts.push(bytes.subarray(at, next));
    at = next;
  }
  return [...parts, bytes.subarray(at)];
}
