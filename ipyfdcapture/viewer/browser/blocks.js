// The lines of a saved page: they are in the page itself, compressed, some thousands a block.

import { inflated } from "./inflate.js";
import { pause } from "./pause.js";

/** @import {Run} from "./types" */

/**
 * @typedef {{rows: (string | Run[])[], cut: {[row: string]: number}}} Block
 */

const MOST_KEPT = 20;

export class Blocks {
  /** The first line of each. @type {number[]} */
  firsts = [];
  /** @type {Map<number, Block>} */
  kept = new Map();

  /** @param {number[]} counts how many lines each has */
  constructor(counts) {
    let first = 0;
    for (const count of counts) {
      this.firsts.push(first);
      first += count;
    }
  }

  /** Return the block of a line. @param {number} position */
  of(position) {
    return Math.max(0, lowerBound(this.firsts, position + 1) - 1);
  }

  /** @param {number} number @returns {Promise<Block>} */
  async get(number) {
    const block = this.kept.get(number) ?? (await (await unpack(`fdv-${number}`)).json());
    this.kept.delete(number);
    this.kept.set(number, block);
    if (this.kept.size > MOST_KEPT) this.kept.delete(this.kept.keys().next().value ?? -1);
    return block;
  }
}

/** Return what an element holds, once the page is read so far. @param {string} id @returns {Promise<Response>} */
export async function unpack(id) {
  const element = document.getElementById(id);
  // What comes after it is there: so it is whole.
  if (element?.nextSibling || document.readyState !== "loading")
    return inflated(element?.textContent ?? "");
  await pause(10);
  return unpack(id);
}

/** Return where in ascending numbers the first is that is not below a value. @param {ArrayLike<number>} numbers @param {number} value */
export function lowerBound(numbers, value) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
