/**
 * Every EC2 action that the code of this folder calls, and every tag key that it writes: the IAM
 * policy of an installation grants exactly these, and a test compares the two.
 */

/** Actions that only read. They take no resource in an IAM policy: `Resource` must be `*`. */
export const ec2ReadActions = [
  'DescribeNetworkInterfaces',
  'DescribeRouteTables',
  'DescribeSecurityGroups',
  'DescribeNetworkAcls',
] as const;

/** Actions that change something: needed with `cloud.manage: true` only. */
export const ec2WriteActions = [
  'ModifyNetworkInterfaceAttribute',
  'CreateRoute',
  'ReplaceRoute',
  'DeleteRoute',
  'CreateTags',
  'DeleteTags',
] as const;

export const ec2Actions = [...ec2ReadActions, ...ec2WriteActions] as const;

export type Ec2Action = (typeof ec2Actions)[number];

/** How IAM calls the permission of an action. */
export function ec2Permission(action: Ec2Action): string {
  return `ec2:${action}`;
}

/**
 * Keys of our tags; a policy may hold CreateTags and DeleteTags to `selvage:*` (`aws:TagKeys`).
 * What each is for is in tags.ts.
 */
export const ec2Tags = {
  /** On network interfaces. */
  cluster: 'selvage:cluster',
  node: 'selvage:node',
  check: 'selvage:source-dest-check',
  /** Followed by the id of a route table. */
  routePrefix: 'selvage:route:',
  /** On route tables, followed by the name of a cluster. */
  tablePrefix: 'selvage:routes:',
} as const;
