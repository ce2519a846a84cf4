"""The bus on RabbitMQ: quorum queues, publisher confirms with `mandatory`, a ladder of delays, dead letters.

aio-pika connects, authenticates, keeps the heartbeat and declares the topology; the channels that carry mail are our
own on the same connection (`channel`), since the general ones cost five times as much CPU a message.

`bus` is the contract; `link` a connection that comes back by itself, `wire` one that is up, `tap` its socket; `channel`
and `codec` speak AMQP 0-9-1; `publisher` and `consumer` use them; `topology` names what is declared, `dead_letters`
reads what died.
"""

from libs.bus.rabbitmq.bus import RabbitBus

__all__ = ["RabbitBus"]
