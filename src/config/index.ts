/**
 * The configuration: a cluster file in, a `Cluster` or located problems out, and a source that
 * follows the file while it is edited.
 */
export { loadClusterFile } from './load.js';
export { type ClusterFile, type ParseResult, parseClusterFile } from './parse.js';
export { type FormatOptions, type Problem, type ProblemCode, formatProblem } from './problem.js';
export { clusterJsonSchema, clusterJsonSchemaText, jsonSchemaPath } from './json-schema.js';
export {
  type ConfigListener,
  type ConfigSourceOptions,
  type ConfigUpdate,
  ConfigSource,
  openConfigSource,
} from './source.js';
