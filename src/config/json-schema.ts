/**
 * The published JSON Schema (draft 7, which editors' YAML support reads best).
 */
import * as z from 'zod';
import { clusterFileSchema } from './schema.js';

/** Path of the published copy, from the root of the package. */
export const jsonSchemaPath = 'deploy/schema/cluster-v1.json';

export function clusterJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(clusterFileSchema, {
    target: 'draft-7',
    io: 'input',
  });
  return { $schema, title: 'Selvage cluster file, version 1', ...schema };
}

/** As it is written to the published copy. */
export function clusterJsonSchemaText(): string {
  return `${JSON.stringify(clusterJsonSchema(), null, 2)}\n`;
}
