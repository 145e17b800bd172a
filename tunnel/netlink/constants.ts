/**
 * The numbers of rtnetlink, each list named by the kernel header that defines it. Values as in
 * Linux 6.x; all are stable ABI. Host byte order throughout except where a comment says otherwise.
 */

/** linux/netlink.h: protocols, message types and flags. */
export const NETLINK = { ROUTE: 0, NETFILTER: 12 } as const;
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;
export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  DUMP_INTR: 0x10,
  /** On requests that get. */
  DUMP: 0x300,
  /** On requests that make something new. */
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  /** On NLMSG_ERROR: the failed message is not echoed; attributes follow. */
  CAPPED: 0x100,
  ACK_TLVS: 0x200,
} as const;
export const NLMSG_HEADER_BYTES = 16;
/** enum nlmsgerr_attrs */
export const NLMSGERR_ATTR = { MSG: 1, OFFS: 2 } as const;
export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = 0x3fff;

/** linux/rtnetlink.h */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWNETCONF: 80,
  DELNETCONF: 81,
} as const;
/** enum rtnetlink_groups */
export const RTNLGRP = {
  LINK: 1,
  NEIGH: 3,
  IPV4_IFADDR: 5,
  IPV4_ROUTE: 7,
  IPV6_IFADDR: 9,
  IPV6_ROUTE: 11,
  IPV4_NETCONF: 24,
  IPV6_NETCONF: 25,
} as const;
/** rtm_type */
export const RTN = {
  UNSPEC: 0,
  UNICAST: 1,
  LOCAL: 2,
  BROADCAST: 3,
  ANYCAST: 4,
  MULTICAST: 5,
  BLACKHOLE: 6,
  UNREACHABLE: 7,
  PROHIBIT: 8,
  THROW: 9,
} as const;
export const RT_SCOPE = { UNIVERSE: 0, LINK: 253, NOWHERE: 255 } as const;
export const RT_TABLE_MAIN = 254;
export const RTM_F = { CLONED: 0x200, FIB_MATCH: 0x2000 } as const;
export const RTNH_F_ONLINK = 4;
export const RTA = {
  DST: 1,
  SRC: 2,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
  ENCAP_TYPE: 21,
  ENCAP: 22,
  NH_ID: 30,
} as const;
export const RTAX = { LOCK: 1, MTU: 2 } as const;
export const RTEXT_FILTER_SKIP_STATS = 8;

/** linux/lwtunnel.h */
export const LWTUNNEL_ENCAP = { IP6: 4 } as const;
export const LWTUNNEL_IP6 = { ID: 1, DST: 2, SRC: 3, HOPLIMIT: 4, TC: 5, FLAGS: 6 } as const;

/** linux/if.h */
export const IFF_UP = 0x1;
/** linux/if_link.h */
export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  TXQLEN: 13,
  LINKINFO: 18,
  EXT_MASK: 29,
} as const;
export const IFLA_INFO = { KIND: 1, DATA: 2 } as const;

/** linux/if_addr.h */
export const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;
export const IFA_F = { NODAD: 0x02, NOPREFIXROUTE: 0x200 } as const;

/** linux/neighbour.h */
export const NDA = {
  DST: 1,
  LLADDR: 2,
  PORT: 6,
  VNI: 7,
  IFINDEX: 8,
  NH_ID: 13,
} as const;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
export const NTF_SELF = 0x02;

/** linux/netconf.h */
export const NETCONFA_IFINDEX = 1;

/** sys/socket.h */
export const AF = { UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10 } as const;

/** linux/netfilter/nfnetlink.h: the group of nftables' changes, its subsystem, sizeof(nfgenmsg). */
export const NFNL = { GROUP_NFTABLES: 7, SUBSYS_NFTABLES: 10, NFGENMSG_BYTES: 4 } as const;
/** linux/netfilter/nfnetlink.h: the edges of a transaction, and the generation that it is meant for. */
export const NFNL_MSG = { BATCH_BEGIN: 16, BATCH_END: 17 } as const;
export const NFNL_BATCH_GENID = 1;
/** linux/netfilter.h */
export const NFPROTO_INET = 1;
/** linux/netfilter/nf_tables.h: elements of sets. */
export const NFTA_SET_ELEM_LIST = { TABLE: 1, SET: 2, ELEMENTS: 3 } as const;
export const NFTA_LIST_ELEM = 1;
export const NFTA_SET_ELEM = { KEY: 1, FLAGS: 3, KEY_END: 10 } as const;
export const NFTA_DATA_VALUE = 1;
export const NFT_SET_ELEM_INTERVAL_END = 1;
/** linux/netfilter/nf_tables.h: what is asked for. */
export const NFT_MSG = {
  GETTABLE: 1,
  NEWSETELEM: 12,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
  GETOBJ: 19,
} as const;
/** Attributes of the answers, by the message that they are in. */
export const NFTA_GEN_ID = 1;
export const NFTA_OBJ = { TABLE: 1, NAME: 2, TYPE: 3, DATA: 4 } as const;
export const NFTA_COUNTER_PACKETS = 2;
export const NFT_OBJECT_COUNTER = 1;
/**
 * linux/netfilter/nf_tables.h: attribute 1 is the table's name in messages of tables, chains, rules,
 * sets, elements and objects alike.
 */
export const NFTA_TABLE = 1;
