from pbb.domains.grammars.language import Grammars as Grammars
