/** All commands. Only names and options are loaded here; the work is loaded when it is asked for. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { agentCommand } from './commands/agent.js';
import { applyCommand } from './commands/apply.js';
import { cloudCommand } from './commands/cloud.js';
import { configCommand } from './commands/config.js';
import { confirmCommand } from './commands/confirm.js';
import { completionCommand } from './commands/completion.js';
import { diffCommand } from './commands/diff.js';
import { downCommand } from './commands/down.js';
import { freezeCommand } from './commands/freeze.js';
import { graphCommand } from './commands/graph.js';
import { ipamCommand } from './commands/ipam.js';
import { keyCommand } from './commands/key.js';
import { labCommand } from './commands/lab.js';
import { matrixCommand } from './commands/matrix.js';
import { migrateCommand } from './commands/migrate.js';
import { nodeCommand } from './commands/node.js';
import { planCommand } from './commands/plan.js';
import { preflightCommand } from './commands/preflight.js';
import { rollbackCommand } from './commands/rollback.js';
import { routeExplainCommand } from './commands/route-explain.js';
import { schemaCommand } from './commands/schema.js';
import { simulateCommand } from './commands/simulate.js';
import { snapshotCommand } from './commands/snapshot.js';
import { statusCommand } from './commands/status.js';
import { thawCommand } from './commands/thaw.js';
import { validateCommand } from './commands/validate.js';
import { verifyCommand } from './commands/verify.js';
import { versionCommand } from './commands/version.js';
import { programWith } from './program-with.js';

export function buildProgram(): CommandUnknownOpts {
  return programWith([
    routeExplainCommand(),
    validateCommand(),
    verifyCommand(),
    diffCommand(),
    matrixCommand(),
    graphCommand(),
    preflightCommand(),
    planCommand(),
    applyCommand(),
    confirmCommand(),
    rollbackCommand(),
    statusCommand(),
    configCommand(),
    migrateCommand(),
    freezeCommand(),
    thawCommand(),
    snapshotCommand(),
    downCommand(),
    agentCommand(),
    nodeCommand(),
    ipamCommand(),
    keyCommand(),
    cloudCommand(),
    labCommand(),
    simulateCommand(),
    schemaCommand(),
    completionCommand(),
    versionCommand(),
  ]);
}
