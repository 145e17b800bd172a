/**
 * What questions ask and answers say. All numbers in network order; zeros may follow a body, so each
 * says itself how much of it counts. A body that makes no sense decodes to undefined.
 *
 *     view    question  family 1 · 0 (3) · view 8 · offset 4
 *             answer    status 1 · 0 (3) · view 8 · offset 4 · total 4 · length 2 · page
 *     watch   question  session 12 · time 2 (milliseconds)
 *             answer    status 1
 *     counts  question  session 12 · train 2
 *             answer    status 1 · 0 (1) · delivered 2 · lost 2 · number 1 · sightings
 *                       each: place 1 · way 1 · packets 2 · length 1 · device's name
 *     send    question  family 1 · 0 (1) · bytes 2 · mark 16
 *             answer    status 1
 *     echo and clock have none.
 *
 * `view` names one state of what is told page by page, so that pages of two states are never
 * joined: zero in the question asks for the present state, the answer names it. Pages are the
 * deflated JSON of a node's view of the pair.
 */
import type { Family } from '../address.js';
import { readU16, writeU16 } from '../wire/bytes.js';
import { type Mark, decodeMark, encodeMark, markBytes, sessionBytes } from './mark.js';

export const viewIdBytes = 8;
/** A view of a pair is some kilobytes; beyond this somebody is not telling one. */
export const maxViewBytes = 256 * 1024;

export interface ViewQuestion {
  readonly family: Family;
  readonly view: Uint8Array;
  readonly offset: number;
}

export type ViewStatus = 'page' | 'gone' | 'none';
export interface ViewAnswer {
  /** `gone`: that state is no longer kept, ask anew; `none`: this node has no view to tell. */
  readonly status: ViewStatus;
  readonly view: Uint8Array;
  readonly offset: number;
  readonly total: number;
  readonly page: Uint8Array;
}

export interface WatchQuestion {
  readonly session: Uint8Array;
  /** 0: the session is over. */
  readonly durationMs: number;
  /** Count what arrives, and do not look at the devices: cheap enough to be asked all the time. */
  readonly arrivalsOnly?: boolean;
}

/** `blind`: what arrives is counted, what passes the devices is not, as taps cannot be opened. */
export type WatchStatus = 'watching' | 'busy' | 'blind';

export interface CountsQuestion {
  readonly session: Uint8Array;
  readonly train: number;
}

export const sightingPlaces = ['nic', 'tunnel', 'other'] as const;
/** `stray`: for a MAC address that is not the device's; the kernel drops those. */
export const sightingWays = ['in', 'out', 'stray'] as const;
export interface Sighting {
  readonly place: (typeof sightingPlaces)[number];
  readonly way: (typeof sightingWays)[number];
  readonly device: string;
  /** Different packets of the train. */
  readonly packets: number;
}

export type CountsStatus = 'counted' | 'not-watching' | 'blind';
export interface CountsAnswer {
  readonly status: CountsStatus;
  /** Came out of the socket at the end of the way. */
  readonly delivered: number;
  /** Packets (of any kind) that the tap had no room for: counts may be too low by as many. */
  readonly lost: number;
  readonly sightings: readonly Sighting[];
}

export interface SendQuestion {
  readonly family: Family;
  /** The whole inner packet. */
  readonly packetBytes: number;
  readonly mark: Mark;
}

/** `refused`: larger than its question, or no address of the family. */
export type SendStatus = 'sent' | 'refused' | 'too-big' | 'failed';

const viewStatuses: readonly ViewStatus[] = ['page', 'gone', 'none'];
const watchStatuses: readonly WatchStatus[] = ['watching', 'busy', 'blind'];
const countsStatuses: readonly CountsStatus[] = ['counted', 'not-watching', 'blind'];
const sendStatuses: readonly SendStatus[] = ['sent', 'refused', 'too-big', 'failed'];

const viewQuestionBytes = 16;
export const viewAnswerHeaderBytes = 22;
const countsAnswerHeaderBytes = 7;

export function encodeViewQuestion(question: ViewQuestion): Uint8Array {
  const bytes = new Uint8Array(viewQuestionBytes);
  bytes[0] = question.family;
  bytes.set(question.view, 4);
  writeU32(bytes, 12, question.offset);
  return bytes;
}

export function decodeViewQuestion(body: Uint8Array): ViewQuestion | undefined {
  const family = familyOf(body[0]);
  if (body.length < viewQuestionBytes || family === undefined) return undefined;
  return { family, view: body.subarray(4, 12), offset: readU32(body, 12) };
}

export function encodeViewAnswer(answer: ViewAnswer): Uint8Array {
  const bytes = new Uint8Array(viewAnswerHeaderBytes + answer.page.length);
  bytes[0] = viewStatuses.indexOf(answer.status);
  bytes.set(answer.view, 4);
  writeU32(bytes, 12, answer.offset);
  writeU32(bytes, 16, answer.total);
  writeU16(bytes, 20, answer.page.length);
  bytes.set(answer.page, viewAnswerHeaderBytes);
  return bytes;
}

export function decodeViewAnswer(body: Uint8Array): ViewAnswer | undefined {
  const status = viewStatuses[body[0] ?? -1];
  if (body.length < viewAnswerHeaderBytes || status === undefined) return undefined;
  const [offset, total, length] = [readU32(body, 12), readU32(body, 16), readU16(body, 20)];
  if (total > maxViewBytes || offset + length > total) return undefined;
  const page = body.subarray(viewAnswerHeaderBytes, viewAnswerHeaderBytes + length);
  if (page.length !== length) return undefined;
  return { status, view: body.subarray(4, 12), offset, total, page };
}

export function encodeWatchQuestion(question: WatchQuestion): Uint8Array {
  const bytes = new Uint8Array(sessionBytes + 3);
  bytes.set(question.session, 0);
  writeU16(bytes, sessionBytes, question.durationMs);
  bytes[sessionBytes + 2] = question.arrivalsOnly === true ? 1 : 0;
  return bytes;
}

export function decodeWatchQuestion(body: Uint8Array): WatchQuestion | undefined {
  if (body.length < sessionBytes + 3) return undefined;
  return {
    session: body.subarray(0, sessionBytes),
    durationMs: readU16(body, sessionBytes),
    arrivalsOnly: body[sessionBytes + 2] === 1,
  };
}

export function encodeWatchAnswer(status: WatchStatus): Uint8Array {
  return Uint8Array.of(watchStatuses.indexOf(status));
}

export function decodeWatchAnswer(body: Uint8Array): WatchStatus | undefined {
  return watchStatuses[body[0] ?? -1];
}

export function encodeCountsQuestion(question: CountsQuestion): Uint8Array {
  const bytes = new Uint8Array(sessionBytes + 2);
  bytes.set(question.session, 0);
  writeU16(bytes, sessionBytes, question.train);
  return bytes;
}

export function decodeCountsQuestion(body: Uint8Array): CountsQuestion | undefined {
  if (body.length < sessionBytes + 2) return undefined;
  return { session: body.subarray(0, sessionBytes), train: readU16(body, sessionBytes) };
}

/** Sightings for which `maxBytes` has no room are left out; name the important ones first. */
export function encodeCountsAnswer(answer: CountsAnswer, maxBytes: number): Uint8Array {
  const entries: number[] = [];
  let number = 0;
  for (const { place, way, packets, device } of answer.sightings) {
    const name = [...device].map((character) => character.charCodeAt(0) & 0xff);
    const entry = [
      sightingPlaces.indexOf(place),
      sightingWays.indexOf(way),
      packets >>> 8,
      packets & 0xff,
      name.length,
      ...name,
    ];
    if (countsAnswerHeaderBytes + entries.length + entry.length > maxBytes || number === 0xff)
      break;
    entries.push(...entry);
    number++;
  }
  const bytes = new Uint8Array(countsAnswerHeaderBytes + entries.length);
  bytes[0] = countsStatuses.indexOf(answer.status);
  writeU16(bytes, 2, answer.delivered);
  writeU16(bytes, 4, Math.min(answer.lost, 0xffff));
  bytes[6] = number;
  bytes.set(entries, countsAnswerHeaderBytes);
  return bytes;
}

export function decodeCountsAnswer(body: Uint8Array): CountsAnswer | undefined {
  const status = countsStatuses[body[0] ?? -1];
  if (body.length < countsAnswerHeaderBytes || status === undefined) return undefined;
  const sightings: Sighting[] = [];
  let at = countsAnswerHeaderBytes;
  for (let i = 0; i < body[6]!; i++) {
    const place = sightingPlaces[body[at] ?? -1];
    const way = sightingWays[body[at + 1] ?? -1];
    const length = body[at + 4];
    if (place === undefined || way === undefined || length === undefined) return undefined;
    const name = body.subarray(at + 5, at + 5 + length);
    if (name.length !== length) return undefined;
    const device = String.fromCharCode(...name);
    sightings.push({ place, way, device, packets: readU16(body, at + 2) });
    at += 5 + length;
  }
  return { status, delivered: readU16(body, 2), lost: readU16(body, 4), sightings };
}

export function encodeSendQuestion(question: SendQuestion): Uint8Array {
  const bytes = new Uint8Array(4 + markBytes);
  bytes[0] = question.family;
  writeU16(bytes, 2, question.packetBytes);
  encodeMark(bytes, 4, question.mark);
  return bytes;
}

export function decodeSendQuestion(body: Uint8Array): SendQuestion | undefined {
  const family = familyOf(body[0]);
  const mark = decodeMark(body.subarray(4, 4 + markBytes));
  if (family === undefined || mark === undefined) return undefined;
  return { family, packetBytes: readU16(body, 2), mark };
}

export function encodeSendAnswer(status: SendStatus): Uint8Array {
  return Uint8Array.of(sendStatuses.indexOf(status));
}

export function decodeSendAnswer(body: Uint8Array): SendStatus | undefined {
  return sendStatuses[body[0] ?? -1];
}

function familyOf(byte: number | undefined): Family | undefined {
  return byte === 4 || byte === 6 ? byte : undefined;
}

function readU32(bytes: Uint8Array, offset: number): number {
  return ((readU16(bytes, offset) << 16) | readU16(bytes, offset + 2)) >>> 0;
}

function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset, value >>> 16);
  writeU16(bytes, offset + 2, value & 0xffff);
}
