"""relay: what leaves for other servers.

Consumes   the queue mail.relay
Emits      through ingress, delivery status notifications to senders that are known not to be forged, and notices to the
           owners of forwards; dead letters of mail.relay for what nobody else can hear of; the events MailRelayed and
           MailParked
Owns       the outbound queue (an entry a message and recipient), the connections of the cluster to each mx_group
Fails      deferred: a peer, DNS or a smarthost that does not answer is tried again with growing delays for five days.
           What is sent when the process dies goes back to the queue after two minutes, at SIGTERM at once. It is sent
           again if the peer's answer was not written down by then (RFC 1047: better twice than never).

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

`settle` writes under the fence of the claim, so that a late holder changes nothing that another one has by now; only
that a peer took the message is believed of anybody. An outcome and the report that it causes are one write. `queued`
with a delay of hours may have a report due as well. A message goes with the last of its entries that is not done.

A report:

    due --------> claimed --- told: a letter to the sender or the owner, or a dead letter ---> done
     ^               |
     +---------------+  not taken now: again, growing pauses, for five days
     |               |
     +---------------+  refused, or five days are over: it becomes a dead letter, which is tried without end
"""
