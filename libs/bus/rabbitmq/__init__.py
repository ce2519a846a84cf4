"""The bus on RabbitMQ: quorum queues, publisher confirms with `mandatory`, delayed retries, dead letters.

aio-pika connects, authenticates, keeps the heartbeat and declares the topology; the channels that carry mail are our
own on the same connection (`channel`), since the general ones cost five times as much CPU a message.

`bus` implements the contract; `link` is a connection that comes back by itself, `connection` one that is up and
`frame_demux` its socket. `channel` and `codec` speak AMQP 0-9-1; `confirm_channel` publishes, `subscription` consumes.
`topology` names what is declared, `isolated_dispatcher` handles redelivered messages, `dead_letters` lists
dead letters.
"""

from libs.bus.rabbitmq.bus import RabbitBus

__all__ = ["RabbitBus"]
