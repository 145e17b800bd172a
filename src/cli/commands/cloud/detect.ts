/** `cloud detect`: which provider this machine is on, and what its metadata service tells. */
import { Command, Option } from '@commander-js/extra-typings';
import { parseDuration } from '../../duration.js';
import { configOption, nodeOption, outputOption, runtimeDirOption } from '../../options.js';

export function detectCommand() {
  return new Command('detect')
    .summary('which provider this machine is on, and what it says')
    .description(
      'Which provider this machine is on, and what its metadata service says: zone, region, ' +
        'network, every NIC, MTU and public addresses. A metadata address is asked only of a ' +
        "provider that the firmware, the node's zone in the cluster file or an endpoint variable " +
        'names; where nothing does, not one packet is sent.',
    )
    .addOption(new Option('--refresh', 'ask again, whatever was told before'))
    .addOption(
      new Option('--timeout <time>', 'for all of it').argParser(parseDuration).default(2_000, '2s'),
    )
    .addOption(configOption())
    .addOption(nodeOption())
    .addOption(runtimeDirOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage cloud detect
  selvage cloud detect --config cluster.yaml --node aws-a-1
                          also what the file leaves out, and what it has otherwise
  selvage cloud detect -o json | jq -r .machine.zone

Variables that name an endpoint:
  AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE (IPv6),
  GCE_METADATA_HOST, SELVAGE_{AZURE,OPENSTACK,IBM,OCI,HETZNER,DIGITALOCEAN,ALIBABA}_METADATA_ENDPOINT;
  SELVAGE_DMI_DIR: a folder instead of /sys/class/dmi/id

Exit code 1 means: the file contradicts the machine (the file wins).
Exit code 3 means: a provider is named, and its metadata service told nothing.`,
    )
    .action(async (options, command) => {
      const [{ cloudDetect }, { printAnswer }, { renderCloudDetect }] = await Promise.all([
        import('../../cloud-detect.js'),
        import('../../output.js'),
        import('../../render/cloud-detect.js'),
      ]);
      const source = (name: 'config' | 'node') => command.getOptionValueSource(name);
      const report = await cloudDetect({
        config: { file: options.config, isDefault: source('config') === 'default' },
        node: { text: options.node, isDefault: source('node') === 'default' },
        runtimeDir: options.runtimeDir,
        timeoutMs: options.timeout,
        refresh: options.refresh === true,
      });
      await printAnswer(report, { output: options.output, render: renderCloudDetect });
      process.exitCode = report.exitCode;
    });
}
