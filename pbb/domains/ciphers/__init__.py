from pbb.domains.ciphers.domain import Ciphers as Ciphers
