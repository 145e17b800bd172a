/**
 * Diagnosis from state and evidence alone: each of the two nodes tells its view of the pair
 * (`viewReads`, `readPair`, `viewOf`), probes tell where packets were seen, and `diagnose` says
 * what is wrong, where, and what to do about it.
 */
export type * from './evidence.js';
export type * from './finding.js';
export type { PairQuestion } from './pair.js';
export { carriageOf, configDigest, pairOf } from './pair.js';
export type { PairReads, PairReadsQuestion } from './reads.js';
export { readPair } from './reads.js';
export type { ViewInput } from './view-input.js';
export { pairGuardSpec, viewOf, viewReads } from './view.js';
export type { DiagnoseOptions, Diagnosis } from './diagnose.js';
export { causeCodes, diagnose, noEvidence } from './diagnose.js';
export type { Examination } from './attach.js';
export { withDiagnosis } from './attach.js';
export type { CodeEntry, FindingCode } from './codes.js';
export { codeEntry, findingCodes } from './codes.js';
export type { Predict } from './remedies.js';
