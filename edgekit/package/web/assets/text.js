// From a text to token numbers: cut and padded as the contract has it.
import { Tokenizer } from "@huggingface/tokenizers";

export class Encoder {
  constructor(document, contract) {
    this.contract = contract;
    this.tokenizer = new Tokenizer(document, {});
  }

  /** Raises RangeError where a text has other tokens than in training. */
  check() {
    for (const { texts, rows } of this.contract.samples) {
      const found = this.encode(...texts);
      const differs = ([name, row]) => row.some((number, i) => number !== found[name][i]);
      if (Object.entries(rows).some(differs))
        throw new RangeError(`this page's tokenizer reads ${JSON.stringify(texts)} otherwise than in training`);
    }
  }

  /** Token numbers of one text, or of a pair, for each input by name. */
  encode(text, second = null) {
    const { length, padding_side: side, inputs } = this.contract;
    const rows = this.rows(text, second);
    const missing = length - rows.ids.length;
    const padded = (row, fill) => {
      const padding = new Array(missing).fill(fill);
      return Int32Array.from(side === "left" ? [...padding, ...row] : [...row, ...padding]);
    };
    const fills = { ids: this.contract.pad_id, mask: 0, types: this.contract.pad_type_id };
    return Object.fromEntries(
      Object.entries(inputs).map(([name, part]) => [name, padded(rows[part], fills[part])]),
    );
  }

  rows(text, second) {
    const { tokenizer } = this;
    const around = (one, two) =>
      tokenizer.post_processor?.(one, two, true) ?? { tokens: [...one, ...(two ?? [])] };
    const parts = [text, second].map((one) =>
      one === null ? null : one === "" ? [] : tokenizer.encode_text(one),
    );
    const special = around([], second === null ? null : []).tokens.length;
    const room = this.contract.length - special;
    if (room < 0) throw new RangeError(`the length ${this.contract.length} has no room for a text`);
    const [one, two] = this.cut(parts, room);
    const { tokens, token_type_ids: types } = around(one, two);
    return {
      ids: tokens.map((token) => this.number(token)),
      mask: tokens.map(() => 1),
      types: types ?? tokens.map(() => 0),
    };
  }

  /** Tokens within `room`: of a pair, the longer one is cut. */
  cut([one, two], room) {
    const kept = (row, count) =>
      this.contract.truncation_side === "left" && row.length > count
        ? row.slice(row.length - count)
        : row.slice(0, count);
    if (two === null) return [kept(one, room), null];
    if (one.length + two.length <= room) return [one, two];
    let [short, long] = [one.length, two.length].sort((a, b) => a - b);
    long = short > room ? short : Math.max(short, room - short);
    if (short + long > room) {
      short = Math.floor(room / 2);
      long = short + (room % 2);
    }
    return one.length > two.length
      ? [kept(one, long), kept(two, short)]
      : [kept(one, short), kept(two, long)];
  }

  number(token) {
    const { tokenizer } = this;
    return tokenizer.token_to_id(token) ?? tokenizer.added_tokens_map.get(token)?.id ?? tokenizer.model.unk_token_id;
  }
}
