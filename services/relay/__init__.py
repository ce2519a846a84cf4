"""relay: sends mail to other servers.

Consumes   the queue mail.relay
Emits      through ingress, delivery status notifications to senders that are known not to be forged, and notices to the
           owners of forwards; dead letters of mail.relay for failures that no sender or owner can be told of; the
           events MailRelayed and MailParked
Owns       the outbound queue (one entry for each message and recipient), and the connections of the cluster to each
           MX group
Fails      deferred: a peer, DNS or a smarthost that does not answer is tried again with growing delays for five days.
           An entry that is being sent when its process dies is queued again after two minutes, at SIGTERM at once. It
           is sent again if the peer's reply was not stored by then (RFC 1047: duplicates are better than losses).

An entry:

             add                claim (fence)
    broker -------> queued ------------------------> sending
                     |  ^                            |  |  |
              cancel |  |  4xx, silence: settle      |  |  |  2xx: settle
                     |  +----------------------------+  |  +----------------> sent ------+
                     |  |  SIGTERM, holder dead         |                                |  NOTIFY=SUCCESS, and the
                     |  +-------------------------------+                                |  peer does not report
                     v                                  |  5xx, five days: settle        v
                 cancelled                              +-----------> failed ------> report due
                                                                        |                |
                                                 NOTIFY=NEVER           v                v
                                              +------------------------ done <----------+

`settle` writes under the fence of the claim, so that a late holder cannot change an entry that another one has claimed;
only the news that a peer accepted the message counts from any holder. An outcome and the report that it causes are one
write. An entry that is queued for hours may have a report due as well. A message is deleted after its last entry.

A report:

    due --------> claimed --- sent to the sender or the owner, or published as a dead letter ---> done
     ^               |
     +---------------+  deferred: tried again after growing pauses, for five days
     |               |
     +---------------+  refused, or five days have passed: becomes a dead letter, which is tried without end
"""
