// A GraphQL server: a schema built in code, resolvers with state, a loader that gathers requests of one tick.
import { createServer } from 'node:http';
import { createHandler } from 'graphql-http/lib/use/http';
import {
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';

const books = new Map([[1, { id: 1, title: 'First', author: 1 }]]);
const authors = new Map([[1, { id: 1, name: 'Ada' }]]);
let batches = 0;
let waiting;
const loadAuthor = (id) => {
  waiting ??= Promise.resolve().then(() => {
    batches += 1;
    waiting = undefined;
    return authors;
  });
  return waiting.then((all) => all.get(id));
};
const Author = new GraphQLObjectType({
  name: 'Author',
  fields: () => ({
    id: { type: GraphQLInt },
    name: { type: GraphQLString },
    books: {
      type: new GraphQLList(Book),
      resolve: ({ id }) => [...books.values()].filter(({ author }) => author === id),
    },
  }),
});
const Book = new GraphQLObjectType({
  name: 'Book',
  fields: {
    id: { type: GraphQLInt },
    title: { type: GraphQLString },
    author: { type: Author, resolve: ({ author }) => loadAuthor(author) },
  },
});
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      books: { type: new GraphQLList(Book), resolve: () => [...books.values()] },
      batches: { type: GraphQLInt, resolve: () => batches },
    },
  }),
  mutation: new GraphQLObjectType({
    name: 'Mutation',
    fields: {
      add: {
        type: Book,
        args: {
          title: { type: new GraphQLNonNull(GraphQLString) },
          author: { type: GraphQLString },
        },
        resolve: (_, { title, author }) => {
          let known = [...authors.values()].find(({ name }) => name === author);
          if (known === undefined) {
            known = { id: authors.size + 1, name: author };
            authors.set(known.id, known);
          }
          const book = { id: books.size + 1, title, author: known.id };
          books.set(book.id, book);
          return book;
        },
      },
    },
  }),
});
const server = createServer(createHandler({ schema }));
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
